import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import type { Block, BlockSource } from '../../src/corpus/blocks.ts';
import { BadSamples } from '../../src/corpus/bad-samples.ts';
import { corpus } from '../../src/corpus/open-corpus.ts';
import { recordCorpus } from '../../src/corpus/record-corpus.ts';
import { streamSamples } from '../../src/corpus/sample-stream.ts';
import { textCorpus } from '../../src/corpus/text-corpus.ts';
import { writeRecords } from '../../src/corpus/write-records.ts';
import { ShardError } from '../../src/errors.ts';
import { allocate, type Schema } from '../../src/stream/columns.ts';
import { atSteps, stepSize } from '../../src/stream/steps.ts';
import type { Corpus, Sample, SampleOptions } from '../../src/stream/sample.ts';
import { collect, openFiles, temporaryFolder } from './folders.ts';
import { idxBytes } from './formats/write-files.ts';

/** Fills buffers of the given sizes, over and over, until the stream ends, and takes the samples out of them again. */
async function filled(opened: Corpus, options: SampleOptions, sizes: readonly number[]): Promise<Sample[]> {
  const { schema } = opened;
  const stream = opened.samples(options);
  const samples: Sample[] = [];
  for (let turn = 0; ; turn++) {
    const rows = sizes[turn % sizes.length]!;
    const columns = Object.fromEntries(
      Object.entries(schema).map(([name, spec]) => [name, allocate(atSteps(spec, 0), rows)]),
    );
    const ids = await stream.fillRows!({ schema, columns, where: 'test' }, rows);
    ids.forEach((id, row) => {
      const values = Object.entries(schema).map(([name, spec]) => {
        const size = stepSize(spec);
        const value = columns[name]!.slice(row * size, (row + 1) * size);
        return [name, spec.shape.length === 0 ? value[0]! : value];
      });
      samples.push({ id, ...Object.fromEntries(values) });
    });
    if (ids.length < rows) return samples;
  }
}

/** A source whose sample `n` of its one part is bad where `bad` says so, with blocks that write rows or do not. */
function source(samples: number, writes: (first: number) => boolean, bad: (n: number) => boolean = () => false) {
  const schema: Schema = { x: { type: 'int32', shape: [] } };
  const check = (n: number) => {
    if (bad(n)) throw new ShardError('bad', { id: `s${n}` });
    return n;
  };
  const badSamples = new BadSamples('test', samples);
  const made: BlockSource = {
    schema,
    parts: [samples],
    blockSize: 4,
    poolSize: 12,
    partsAtOnce: 1,
    badSamples,
    load: async (refs) =>
      refs.map(({ first, count }): Block => ({
        count,
        sample: (i) => ({ id: `s${check(first + i)}`, x: first + i }),
        ...(writes(first) && {
          write: (i, columns, row) => {
            columns['x']![row] = check(first + i);
            return `s${first + i}`;
          },
        }),
      })),
  };
  const opened: Corpus = {
    name: 'test',
    schema,
    length: samples,
    samples: (options) => streamSamples('test', made, options),
  };
  return { opened, badSamples };
}

describe('fillRows', () => {
  const folder = temporaryFolder();
  const sizes = [1, 7, 64];
  const same = async (opened: Corpus, options: SampleOptions = { seed: 3, epochs: 2 }) =>
    assert.deepEqual(await filled(opened, options, sizes), await collect(opened.samples(options)));

  it('gives what iterating gives, from text', async () => {
    const text = 'Call me Ishmael. Some years ago - never mind how long. '.repeat(40);
    await same(await textCorpus({ text, window: 9, stride: 4, shuffleBuffer: 50 }));
    await same(await textCorpus({ text, window: 9, unit: 'byte' }), { seed: 3, epochs: 1, shuffle: false });
  });

  it('gives what iterating gives, from IDX of bytes and of other numbers', async () => {
    folder.write(
      'a/train-images-idx3-ubyte',
      idxBytes(
        [30, 3, 2],
        Uint8Array.from({ length: 180 }, (_, i) => i),
      ),
    );
    folder.write(
      'a/train-labels-idx1-ubyte',
      idxBytes(
        [30],
        Uint8Array.from({ length: 30 }, (_, i) => i % 4),
      ),
    );
    await same(await corpus(`${folder.path}/a`));
    await same(await corpus({ path: `${folder.path}/a`, augment: { crop: { padding: 1 }, flip: 0.5 } }));
    const shorts = idxBytes(
      [20, 2],
      Uint8Array.from({ length: 80 }, (_, i) => (i * 91) & 255),
    );
    shorts[2] = 0x0b;
    folder.write('b/train-data', shorts);
    await same(await corpus({ path: `${folder.path}/b`, format: 'idx' }));
  });

  it('gives what iterating gives, from records of any schema', async () => {
    const shape = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 3 });
    const column = fc.record({ type: fc.constantFrom('float32' as const, 'int32' as const, 'uint8' as const), shape });
    const id = fc.string({ unit: 'grapheme', maxLength: 300 });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(column, { minLength: 1, maxLength: 17 }), id, async (columns, name) => {
        const schema: Schema = Object.fromEntries(columns.map((spec, i) => [`c${i}`, spec]));
        const samples = Array.from([0, 1, 2, 3, 4], (n) => ({
          id: `${name}${n}`,
          ...Object.fromEntries(
            Object.entries(schema).map(([key, spec], c) => [
              key,
              allocate(atSteps(spec, 0), 1).map((_, i) => (n * 77 + c * 31 + i * 7) % 256),
            ]),
          ),
        }));
        run += 1;
        await writeRecords(`${folder.path}/${run}`, samples, { schema });
        await same(await recordCorpus(`${folder.path}/${run}`), { seed: 1, epochs: 1 });
      }),
      { seed: 4, numRuns: 40 },
    );
  }).timeout(20_000);

  it('meets damaged frames, absurd lengths among them, as iterating does', async () => {
    const schema: Schema = { x: { type: 'float32', shape: [2] }, y: { type: 'int32', shape: [] } };
    const samples = Array.from({ length: 20 }, (_, n) => ({ id: `s${n}`, x: [n, n], y: n % 4 }));
    const path = `${folder.path}/damaged`;
    await writeRecords(path, samples, { schema, classes: { y: 4 } });
    const shard = `${path}/shard-00000.records`;
    const whole = readFileSync(shard);
    const length = fc.constantFrom(0xc4, 0xc5, 0xc6, 0xd9, 0xda, 0xdb, 0xff, 0x95);
    const damage = fc.array(fc.tuple(fc.integer({ min: 20, max: whole.length - 100 }), fc.oneof(length, fc.nat(255))), {
      minLength: 1,
      maxLength: 4,
    });
    const once = { seed: 1, epochs: 1, shuffle: false };
    let differs = 0;
    await fc.assert(
      fc.asyncProperty(damage, async (changes) => {
        const bytes = Buffer.from(whole);
        for (const [at, by] of changes) bytes[at] = by;
        writeFileSync(shard, bytes);
        const read = async (how: (opened: Corpus) => Promise<Sample[]>) => {
          const opened = await recordCorpus(path, { verify: false, onBadSample: 'skip' });
          return { samples: await how(opened), bad: opened.badSamples!.samples };
        };
        const one = await read((opened) => collect(opened.samples(once)));
        assert.deepEqual(await read((opened) => filled(opened, once, sizes)), one);
        assert.equal(one.samples.length + one.bad.length, 20);
        if (one.bad.length > 0) differs += 1;
      }),
      { seed: 6, numRuns: 300 },
    );
    assert.ok(differs > 50 && differs < 290, `${differs} of 300 held bad samples`);
  }).timeout(20_000);

  it('leaves bad samples out and counts them, in blocks that write rows and in those that do not', async () => {
    for (const writes of [() => true, () => false, (first: number) => first % 8 === 0]) {
      const bad = (n: number) => n % 5 === 2;
      const { opened, badSamples } = source(50, writes, bad);
      const expected = await collect(source(50, () => false, bad).opened.samples({ seed: 9, epochs: 2 }));
      assert.deepEqual(await filled(opened, { seed: 9, epochs: 2 }, sizes), expected);
      assert.equal(badSamples.count, 10); // of each epoch the same
    }
  });

  it('is gone on with from any of its samples, bad ones or not, after some that were iterated', async () => {
    const bad = (n: number) => n % 7 === 3;
    const options = { seed: 2, epochs: 2 };
    const all = await collect(source(40, () => false, bad).opened.samples(options));
    const { opened } = source(40, () => true, bad);
    const stream = opened.samples(options);
    for await (const { id } of {
      [Symbol.asyncIterator]: () => ({ next: () => stream[Symbol.asyncIterator]().next() }),
    }) {
      assert.equal(id, all[0]!.id);
      break;
    }
    const columns = { x: new Int32Array(30) };
    const ids = await stream.fillRows!({ schema: opened.schema, columns, where: 'test' }, 30);
    assert.deepEqual(
      ids,
      all.slice(1, 31).map(({ id }) => id),
    );
    for (const taken of [0, 1, 5, 17, 31]) {
      const rest = await collect(
        source(40, () => true, bad).opened.samples({ ...options, from: stream.position!(taken) }),
      );
      assert.deepEqual(rest, all.slice(taken), `from ${taken}`);
    }
  });

  it('passes by what is turned away, and asks once about each sample in its order', async () => {
    for (const writes of [() => true, () => false, (first: number) => first % 8 === 0]) {
      const all = await collect(source(60, () => false).opened.samples({ seed: 4, epochs: 1 }));
      const stream = source(60, writes).opened.samples({ seed: 4, epochs: 1 });
      const asked: string[] = [];
      const isWanted = (id: string) => Number(id.slice(1)) % 3 > 0;
      const [got, values]: [string[], number[]] = [[], []];
      for (const rows of [7, 1, 15, 20]) {
        const x = new Int32Array(rows);
        const into = { schema: source(1, writes).opened.schema, columns: { x }, where: 'test' };
        const ids = await stream.fillRows!(into, rows, (id) => (asked.push(id), isWanted(id)));
        got.push(...ids);
        values.push(...x.subarray(0, ids.length));
      }
      const wanted = all.filter(({ id }) => isWanted(id));
      assert.deepEqual(
        got,
        wanted.map(({ id }) => id),
      );
      assert.deepEqual(
        values,
        wanted.map(({ x }) => x),
      );
      assert.deepEqual(
        asked,
        all.map(({ id }) => id),
      );
      const passed = 1 + all.findIndex(({ id }) => id === got[22]);
      const rest = await collect(
        source(60, writes).opened.samples({ seed: 4, epochs: 1, from: stream.position!(passed) }),
      );
      assert.deepEqual(rest, all.slice(passed));
    }
  });

  it('converts for a consumer whose columns are of another schema, and refuses what does not fit', async () => {
    const { opened } = source(10, () => true);
    const stream = opened.samples({ seed: 1, epochs: 1, shuffle: false });
    const x = new Float32Array(4);
    await stream.fillRows!({ schema: { x: { type: 'float32', shape: [] } }, columns: { x }, where: 'test' }, 4);
    assert.deepEqual([...x], [0, 1, 2, 3]);
    const wide = { schema: { x: { type: 'int32', shape: [2] } } as Schema, columns: { x: new Int32Array(8) } };
    await assert.rejects(stream.fillRows!({ ...wide, where: 'here' }, 4), {
      code: 'ERR_SHAPE',
      message: /^here: column `x`/,
    });
  });

  it('stops at an abort, and leaves no file open when it is not iterated', async () => {
    folder.write('a/train-images-idx3-ubyte', idxBytes([30, 3, 2], new Uint8Array(180)));
    const opened = await corpus(`${folder.path}/a`);
    const abort = new AbortController();
    const stream = opened.samples({ seed: 1, signal: abort.signal });
    const into = { schema: opened.schema, columns: { x: new Uint8Array(60) }, where: 'test' };
    assert.equal((await stream.fillRows!(into, 10)).length, 10);
    abort.abort(new Error('enough'));
    await assert.rejects(stream.fillRows!(into, 10), { message: 'enough' });
    await stream[Symbol.asyncIterator]().return!();
    assert.deepEqual(openFiles(folder.path) ?? [], []);
    assert.equal((await stream.fillRows!(into, 10).catch(() => [])).length, 0);
  });
});
