import assert from 'node:assert/strict';
import { Worker } from 'node:worker_threads';
import { decodeInThread } from '../../../src/corpus/formats/image-pool.ts';
import sharp from 'sharp';
import { decodePixels } from '../../../src/corpus/formats/image-pixels.ts';
import { defaultAugmentWorkers } from '../../../src/corpus/formats/format.ts';
import { ImageOptions, threadsFor } from '../../../src/corpus/formats/image.ts';
import { png } from './write-files.ts';

describe('decodeInThread', () => {
  it('sends the picture to the thread, not the block that it lies in, and leaves the block as it is', async () => {
    const picture = await png({ r: 255, g: 0, b: 0 });
    const block = Buffer.alloc(2 ** 20);
    picture.copy(block, 1000);
    const before = Buffer.from(block);
    const sent: number[] = [];
    const own = Object.getOwnPropertyDescriptor(Worker.prototype, 'postMessage')!;
    Worker.prototype.postMessage = function (this: Worker, job: { bytes: Uint8Array }, ...rest: []) {
      sent.push(job.bytes.buffer.byteLength);
      Reflect.apply(own.value as () => void, this, [job, ...rest]);
    };
    try {
      const recipe = { image: ImageOptions.parse({ height: 1, width: 2 }) };
      const pixels = await decodeInThread(block.subarray(1000, 1000 + picture.length), recipe, 1);
      assert.deepEqual([...pixels], [255, 0, 0, 255, 0, 0]);
    } finally {
      Object.defineProperty(Worker.prototype, 'postMessage', own);
    }
    assert.deepEqual(sent, [picture.length]);
    assert.ok(block.equals(before));
  });

  it('gives the pixels that this thread gives, of what libvips resizes and of what is resized here', async () => {
    const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const;
    const picture = (width: number, height: number) =>
      sharp({ create: { width, height, channels: 3, background: '#888888', noise } }).blur(2);
    const image = ImageOptions.parse({ height: 24, width: 32 });
    for (const bytes of [
      await picture(50, 40).jpeg().toBuffer(),
      await picture(200, 150).jpeg().toBuffer(), // libjpeg makes it smaller
      await picture(50, 40).webp().toBuffer(),
    ])
      for (const augmentation of [undefined, { flip: 1, fill: 0, resizedCrop: undefined, seed: 3 }]) {
        const recipe = { image, augmentation };
        const here = await decodePixels(bytes, recipe);
        assert.deepEqual(await decodeInThread(bytes, recipe, 1), here);
        assert.equal(here.length, 24 * 32 * 3);
      }
  });

  it('gives much the same pixels whether libvips resizes or we do', async () => {
    const waves = Uint8Array.from(
      { length: 60 * 60 * 3 },
      (_, i) => 128 + 90 * Math.sin((i / 3 / 60 + ((i / 3) % 60)) / 6),
    );
    const own = sharp(waves, { raw: { width: 60, height: 60, channels: 3 } });
    for (const fit of ['cover', 'contain', 'fill'] as const)
      for (const channels of [1, 3] as const)
        for (const turned of [1, 6]) {
          const image = ImageOptions.parse({
            height: 40,
            width: 30,
            fit,
            channels,
            kernel: 'linear',
            background: 'teal',
          });
          const stored = own.clone().withMetadata({ orientation: turned });
          const [byUs, byLibvips] = await Promise.all([
            decodePixels(await stored.clone().png().toBuffer(), { image }),
            decodePixels(await stored.clone().tiff().toBuffer(), { image }),
          ]);
          const errors = Array.from(byUs, (value, i) => Math.abs(value - byLibvips[i]!));
          const mean = errors.reduce((a, b) => a + b, 0) / errors.length;
          // a picture that libvips crops or pads lies up to half a pixel beside ours
          assert.ok(mean < 4, `${fit} ${channels} ${turned}: ${mean}`);
        }
  });
});

describe('defaultAugmentWorkers', () => {
  it('is a quarter of the cores, one at least and eight at most', () => {
    assert.deepEqual([1, 2, 4, 8, 16, 96].map(defaultAugmentWorkers), [1, 1, 1, 2, 4, 8]);
  });
});

describe('threadsFor', () => {
  it('hands over what is augmented, and on a machine of many cores all', () => {
    assert.deepEqual([threadsFor(true, 2, 2), threadsFor(false, 2, 4), threadsFor(false, 2, 8)], [2, 0, 2]);
    assert.deepEqual([threadsFor(true, 0, 64), threadsFor(false, 0, 64)], [0, 0]);
  });
});
