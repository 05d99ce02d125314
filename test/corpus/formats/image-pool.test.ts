import assert from 'node:assert/strict';
import { Worker } from 'node:worker_threads';
import { decodeInThread } from '../../../src/corpus/formats/image-pool.ts';
import { ImageOptions } from '../../../src/corpus/formats/image.ts';
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
});
