import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { labelledImages } from '../../src/corpus/labelled-images.ts';
import { storedZip } from '../../src/corpus/stored-zip.ts';

const png = (red: number) =>
  sharp({ create: { width: 9, height: 7, channels: 3, background: { r: red, g: 10, b: 20 } } })
    .png()
    .toBuffer();

const zipOf = async (counts: Readonly<Record<string, number>>) => {
  const files = [];
  for (const [name, count] of Object.entries(counts))
    for (let i = 0; i < count; i++) files.push({ path: `${name}/${i}.png`, bytes: await png(i) });
  return storedZip(files);
};

describe('labelledImages', () => {
  const image = { height: 4, width: 4 };
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'taustream-labelled-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('takes the parts of a folder that has a training and a test part', async () => {
    await writeFile(join(folder, 'train.zip'), await zipOf({ cat: 3, dog: 4 }));
    await writeFile(join(folder, 'test.zip'), await zipOf({ dog: 1, cat: 1 }));
    const { train, validation, classNames } = await labelledImages(folder, { image });
    assert.deepEqual([train.length, validation.length, classNames], [7, 2, ['cat', 'dog']]);
    assert.deepEqual(train.schema['x'], { type: 'uint8', shape: [4, 4, 3] });
    const { image: used } = await labelledImages(folder, { image: { ...image, fit: 'contain', kernel: 'cubic' } });
    assert.deepEqual([used.height, used.fit, used.kernel, used.background], [4, 'contain', 'cubic', '#ffffff']);
  });

  it('validates on the validation part where there is a test part beside it', async () => {
    await writeFile(join(folder, 'train.zip'), await zipOf({ cat: 2, dog: 2 }));
    await writeFile(join(folder, 'test.zip'), await zipOf({ cat: 3, dog: 3 }));
    await writeFile(join(folder, 'val.zip'), await zipOf({ cat: 1, dog: 1 }));
    assert.equal((await labelledImages(folder, { image })).validation.length, 2);
  });

  it('keeps a share of each class for validation where the folder has no part for it', async () => {
    await writeFile(join(folder, 'a.zip'), await zipOf({ cat: 20, dog: 10 }));
    const { train, validation } = await labelledImages(folder, { image, validation: 0.2 });
    const ids = new Set<string>();
    const counts = { train: [0, 0], validation: [0, 0] };
    for (const [part, corpus] of Object.entries({ train, validation }))
      for await (const { id, y } of corpus.samples({ seed: 0, epochs: 1, shuffle: false })) {
        assert.ok(!ids.has(id));
        ids.add(id);
        counts[part as 'train'][y as number]! += 1;
      }
    assert.deepEqual(counts, { train: [16, 8], validation: [4, 2] });
  });

  it('refuses parts whose classes differ, and names them', async () => {
    await writeFile(join(folder, 'train.zip'), await zipOf({ cat: 2, dog: 2, cow: 1 }));
    await writeFile(join(folder, 'val.zip'), await zipOf({ cat: 1, Dog: 1, cow: 1 }));
    await assert.rejects(labelledImages(folder, { image }), {
      code: 'ERR_CORPUS',
      message:
        /val\.zip: expected the classes of `.*train\.zip`, got `dog` missing and `Dog` unknown\. Name the folders alike/,
    });
  });

  it('refuses one class alone, a folder without pictures, and nothing', async () => {
    await mkdir(join(folder, 'one'));
    await writeFile(join(folder, 'one', 'a.zip'), await zipOf({ cat: 4 }));
    await assert.rejects(labelledImages(join(folder, 'one'), { image }), {
      code: 'ERR_CORPUS',
      message: /expected pictures of at least two classes, got `cat` alone/,
    });
    await mkdir(join(folder, 'none'));
    await assert.rejects(labelledImages(join(folder, 'none'), { image }), { code: 'ERR_CORPUS' });
    await assert.rejects(labelledImages(join(folder, 'nowhere'), { image }), {
      code: 'ERR_CORPUS',
      message: /nothing there/,
    });
  });

  it('refuses a class of one picture where it must split, and names it', async () => {
    await writeFile(join(folder, 'a.zip'), await zipOf({ cat: 20, cow: 1, dog: 9 }));
    await assert.rejects(labelledImages(folder, { image }), {
      code: 'ERR_CORPUS',
      message:
        /at least two pictures of each class, one to train and one to validate on, got one of `cow`\. Add pictures/,
    });
    await rm(join(folder, 'a.zip'));
    await writeFile(join(folder, 'train.zip'), await zipOf({ cat: 20, cow: 1, dog: 9 }));
    await writeFile(join(folder, 'test.zip'), await zipOf({ cat: 2, cow: 1, dog: 1 }));
    assert.deepEqual((await labelledImages(folder, { image })).train.classCounts, [20, 1, 9]);
  });

  it('refuses a split that leaves a class without a picture to train on, and names it', async () => {
    await writeFile(join(folder, 'a.zip'), await zipOf({ cat: 2, cow: 2, dog: 2 }));
    await assert.rejects(labelledImages(folder, { image, validation: 0.6 }), {
      code: 'ERR_CORPUS',
      message: /got none to train on of `cow`/,
    });
  });

  it('warns of a class without a picture to validate on', async () => {
    await writeFile(join(folder, 'a.zip'), await zipOf({ cat: 10, cow: 2, dog: 8 }));
    const warned = once(process, 'warning') as Promise<[Error & { code?: string }]>;
    const { train, validation } = await labelledImages(folder, { image });
    assert.deepEqual(
      [train.classCounts, validation.classCounts],
      [
        [8, 2, 6],
        [2, 0, 2],
      ],
    );
    const [warning] = await warned;
    assert.equal(warning.code, 'TAUSTREAM_UNVALIDATED_CLASS');
    assert.match(warning.message, /no picture of `cow` is kept for validation/);
  });

  it('refuses options that it does not know', async () => {
    await assert.rejects(labelledImages(folder, { size: 4 } as object), { code: 'ERR_OPTIONS', message: /size/ });
  });
});
