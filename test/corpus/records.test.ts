import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { ShardError, TaustreamError } from '../../src/errors.ts';
import { corpus as openCorpus } from '../../src/corpus/open-corpus.ts';
import { recordCorpus } from '../../src/corpus/record-corpus.ts';
import { RecordManifest } from '../../src/corpus/record-manifest.ts';
import { writeRecords, type WriteRecordsOptions } from '../../src/corpus/write-records.ts';
import type { Sample } from '../../src/stream/sample.ts';
import { collect, ids, openFiles, temporaryFolder } from './folders.ts';

const inOrder = { seed: 0, epochs: 1, shuffle: false };
const schema = { x: { type: 'float32', shape: [2] }, y: { type: 'int32', shape: [] } } as const;
const options = {
  schema: { x: { type: 'float32', shape: [2] }, y: { type: 'int32', shape: [] } },
  classes: { y: 10 },
} satisfies WriteRecordsOptions;
const numbered = (count: number): Sample[] =>
  Array.from({ length: count }, (_, i) => ({ id: `s${i}`, x: Float32Array.of(i, i / 2), y: i % 10 }));

async function* failing() {
  yield* numbered(50);
  throw new Error('source');
}

describe('writeRecords and recordCorpus', () => {
  const folder = temporaryFolder();
  const at = (...names: string[]) => join(folder.path, ...names);
  const shard = (name = 'shard-00000.records') => at('c', name);
  const manifest = () => RecordManifest.parse(JSON.parse(readFileSync(at('c', 'manifest.json'), 'utf8')));

  /** Writes a shard at a time of its own: what is found right is remembered of a file and time, which have a resolution. */
  let time = 0;
  function rewrite(bytes: Uint8Array) {
    writeFileSync(shard(), bytes);
    time += 1;
    utimesSync(shard(), time, time);
  }
  const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

  /** Changes a shard's bytes and, where a deeper check is to be reached, all checksums of what it had before. */
  function corrupt(change: (bytes: Buffer) => Buffer | void, { sign = false } = {}) {
    const before = readFileSync(shard());
    const bytes = Buffer.from(before);
    const changed = change(bytes) ?? bytes;
    const m = manifest();
    const index = before.length - 16 - m.samples * 8 - 4;
    const signed = sign && index < changed.length ? m.samples : 0;
    for (let i = 0; i < signed; i++) {
      const [from, to] = [before.readUInt32LE(index + i * 8), before.readUInt32LE(index + i * 8 + 8)];
      changed.writeUInt32LE(crc32(changed.subarray(from, to)), index + i * 8 + 4);
    }
    writeFileSync(shard(), changed);
    if (!sign) return;
    const sums = { sha256: sha256(changed), indexSha256: sha256(changed.subarray(index)) };
    Object.assign(m.shards[0]!, { bytes: changed.length, ...sums });
    writeFileSync(at('c', 'manifest.json'), JSON.stringify(m));
  }
  const readAll = async (verify = true) => collect((await recordCorpus(at('c'), { verify })).samples(inOrder));

  it('give back the samples that were written', async () => {
    await writeRecords(at('c'), numbered(100), options);
    const corpus = await recordCorpus(at('c'));
    assert.deepEqual(await collect(corpus.samples(inOrder)), numbered(100));
    assert.deepEqual([corpus.name, corpus.length, corpus.schema, corpus.classes], ['c', 100, schema, { y: 10 }]);
    const named = await openCorpus({ path: at('c'), name: 'mine' });
    assert.deepEqual([named.name, named.length], ['mine', 100]);
  });

  it('give back any numbers of any schema, bit for bit', async () => {
    const column = fc.oneof(
      fc.float32Array({ minLength: 6, maxLength: 6 }).map((data) => ({ type: 'float32' as const, data })),
      fc.int32Array({ minLength: 6, maxLength: 6 }).map((data) => ({ type: 'int32' as const, data })),
      fc.uint8Array({ minLength: 6, maxLength: 6 }).map((data) => ({ type: 'uint8' as const, data })),
    );
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(
          fc.stringMatching(/^[a-z]\w{0,5}$/).filter((name) => name !== 'id'),
          column,
          { minKeys: 1, maxKeys: 4 },
        ),
        fc.array(
          fc.string({ unit: 'binary' }).filter((id) => !/\p{Surrogate}/u.test(id)),
          { minLength: 1, maxLength: 20 },
        ),
        async (columns, names) => {
          const path = at(`run-${run++}`);
          const entries = Object.entries(columns);
          const samples = names.map((id): Sample => ({
            id,
            ...Object.fromEntries(entries.map(([name, { data }]) => [name, data])),
          }));
          const shapes = Object.fromEntries(entries.map(([name, { type }]) => [name, { type, shape: [2, 3] }]));
          await writeRecords(path, samples, { schema: shapes, samplesPerShard: 7 });
          assert.deepEqual(await collect((await recordCorpus(path)).samples(inOrder)), samples);
        },
      ),
      { seed: 1, numRuns: 40 },
    );
  });

  it('take plain arrays, and give back typed ones', async () => {
    await writeRecords(at('c'), [{ id: 'a', x: [1, 2], y: 3 }], options);
    assert.deepEqual(await readAll(), [{ id: 'a', x: Float32Array.of(1, 2), y: 3 }]);
  });

  it('fill shards up to a number of samples or of bytes', async () => {
    const byCount = await writeRecords(at('c'), numbered(25), { ...options, samplesPerShard: 10 });
    assert.deepEqual(
      byCount.shards.map(({ samples }) => samples),
      [10, 10, 5],
    );
    const byBytes = await writeRecords(at('d'), numbered(500), { ...options, shardBytes: 2048 });
    assert.ok(byBytes.shards.length > 5);
    for (const { bytes, file } of byBytes.shards)
      assert.ok(bytes <= 2048 && bytes === readFileSync(at('d', file)).length);
    assert.ok(
      byBytes.shards.slice(0, -1).every(({ bytes }) => bytes > 1980),
      'no shard is closed early',
    );
    assert.deepEqual(byBytes, JSON.parse(readFileSync(at('d', 'manifest.json'), 'utf8')));
  });

  it('give each sample exactly once an epoch, mixed across shards, the same for a seed', async () => {
    await writeRecords(at('c'), numbered(1000), { ...options, samplesPerShard: 90 });
    const corpus = await recordCorpus(at('c'), { shuffleBuffer: 64, shardsAtOnce: 3 });
    const read = (seed: number) => ids(corpus.samples({ seed, epochs: 2 }));
    const all = await read(5);
    for (const epoch of [all.slice(0, 1000), all.slice(1000)]) assert.equal(new Set(epoch).size, 1000);
    assert.notDeepEqual(all.slice(0, 1000), all.slice(1000));
    assert.deepEqual(await read(5), all);
    assert.notDeepEqual(await read(6), all);
    const shards = new Set(all.slice(0, 60).map((id) => Math.floor(Number(id.slice(1)) / 90)));
    assert.ok(shards.size > 1 && shards.size <= 3);
  });

  it('check each label of a sequence', async () => {
    const sequences = { schema: { y: { type: 'uint8' as const, shape: [3] } }, classes: { y: 4 } };
    await writeRecords(at('c'), [{ id: 'good', y: [0, 3, 1] }], sequences);
    assert.deepEqual(await readAll(), [{ id: 'good', y: Uint8Array.of(0, 3, 1) }]);
    await assert.rejects(writeRecords(at('d'), [{ id: 'bad', y: [0, 4, 1] }], sequences), {
      code: 'ERR_LABEL',
      message: /sample `bad`: expected a label in \[0, 4\) in `y`, got 4/,
    });
  });

  it('split into parts that share no sample', async () => {
    await writeRecords(at('c'), numbered(100), { ...options, samplesPerShard: 30 });
    const { train, validation } = (await recordCorpus(at('c'))).split({ validation: 0.25 });
    assert.deepEqual(
      await ids(validation.samples(inOrder)),
      numbered(100)
        .slice(75)
        .map(({ id }) => id),
    );
    assert.deepEqual(
      await ids(train.samples(inOrder)),
      numbered(75).map(({ id }) => id),
    );
    const few = (await recordCorpus(at('c'))).split({ validation: 0.01 }).validation;
    assert.throws(() => few.split({ validation: 0.4 }), {
      code: 'ERR_CORPUS',
      message: /at least one sample in `validation`/,
    });
  });

  it('hold no file open after a break and after an abort', async () => {
    await writeRecords(at('c'), numbered(300), { ...options, samplesPerShard: 20 });
    const corpus = await recordCorpus(at('c'), { shuffleBuffer: 32 });
    const controller = new AbortController();
    for await (const _ of corpus.samples({ seed: 1 })) break;
    assert.deepEqual(openFiles(folder.path) ?? [], []);
    await assert.rejects(
      async () => {
        for await (const _ of corpus.samples({ seed: 1, signal: controller.signal })) controller.abort();
      },
      { name: 'AbortError' },
    );
    assert.deepEqual(openFiles(folder.path) ?? [], []);
  });

  describe('writing', () => {
    it('leaves nothing behind when it fails', async () => {
      await assert.rejects(writeRecords(at('c', 'deep'), failing(), { ...options, samplesPerShard: 7 }), {
        message: 'source',
      });
      assert.deepEqual(readdirSync(folder.path), []);
      assert.deepEqual(openFiles(folder.path) ?? [], []);
      await assert.rejects(writeRecords(at('c'), numbered(5), { ...options, signal: AbortSignal.abort() }), {
        name: 'AbortError',
      });
      assert.deepEqual(readdirSync(folder.path), []);
    });

    it('leaves a finished corpus alone, unless it may be replaced', async () => {
      await writeRecords(at('c'), numbered(50), { ...options, samplesPerShard: 7 });
      await assert.rejects(writeRecords(at('c'), numbered(3), options), {
        code: 'ERR_CORPUS',
        message: /pass `overwrite: true`/,
      });
      await assert.rejects(writeRecords(at('c'), failing(), { ...options, overwrite: true }), { message: 'source' });
      assert.equal((await readAll()).length, 50);
      await writeRecords(at('c'), numbered(3), { ...options, overwrite: true });
      assert.equal((await readAll()).length, 3);
      assert.deepEqual(readdirSync(at('c')), ['manifest.json', 'shard-00000.records']);
    });

    it('clears away what a process left that was killed, and only that', async () => {
      const host = hostname().replaceAll(/[^\w]/g, '_');
      const { pid } = spawnSync(process.execPath, ['--version']);
      folder.write(`c/.writing-${host}-${pid}-x/shard-00000.records`, 'half');
      folder.write(`c/.writing-${host}-${process.pid}-x/shard-00000.records`, 'under way');
      folder.write(`c/.writing-elsewhere-${pid}-x/shard-00000.records`, 'on another machine');
      await writeRecords(at('c'), numbered(3), options);
      assert.deepEqual(readdirSync(at('c')).filter((name) => name.startsWith('.')).length, 2);
      assert.ok(!existsSync(at('c', `.writing-${host}-${pid}-x`)));
    });

    for (const [what, sample, code, message] of [
      [
        'a label out of range',
        { id: 'bad', x: [1, 2], y: 10 },
        'ERR_LABEL',
        /sample `bad`: expected a label in \[0, 10\) in `y`, got 10\./,
      ],
      ['a negative label', { id: 'bad', x: [1, 2], y: -1 }, 'ERR_LABEL', /sample `bad`.* got -1/],
      [
        'a missing column',
        { id: 'bad', x: [1, 2] },
        'ERR_SHAPE',
        /sample `bad`: `y`: expected a number .* got nothing/,
      ],
      [
        'a column of another size',
        { id: 'bad', x: [1, 2, 3], y: 1 },
        'ERR_SHAPE',
        /`x`: expected 2 numbers .* got 3 numbers/,
      ],
      ['a column that the schema lacks', { id: 'bad', x: [1, 2], y: 1, z: 1 }, 'ERR_SHAPE', /got `z`/],
      [
        'a fraction in a whole-number column',
        { id: 'bad', x: [1, 2], y: 1.5 },
        'ERR_SHAPE',
        /expected whole numbers in .* \(int32\), got 1\.5/,
      ],
      ['a number past the type', { id: 'bad', x: [1, 2], y: 2 ** 31 }, 'ERR_SHAPE', /got 2147483648/],
      ['an id that is no string', { id: 7, x: [1, 2], y: 1 }, 'ERR_SHAPE', /an `id` of type number/],
    ] as const) {
      it(`refuses ${what}, naming the sample`, async () => {
        // @ts-expect-error one of these has an id that does not even compile
        await assert.rejects(writeRecords(at('c'), [...numbered(2), sample], options), { code, message });
        assert.deepEqual(readdirSync(folder.path), []);
      });
    }

    it('refuses a sample that is larger than a shard', async () => {
      const wide = { schema: { x: { type: 'float32' as const, shape: [1000] } }, shardBytes: 1024 };
      await assert.rejects(writeRecords(at('c'), [{ id: 'a', x: new Float32Array(1000) }], wide), {
        code: 'ERR_SHAPE',
        message: /sample `a`: expected at most 1024 bytes/,
      });
    });

    it('refuses a path that is no folder', async () => {
      folder.write('c', 'a file');
      await assert.rejects(writeRecords(at('c'), numbered(1), options), {
        code: 'ERR_CORPUS',
        message: /expected a folder that can be written, got .*ENOTDIR/,
      });
    });

    it('refuses no samples, and options that are unknown or do not fit', async () => {
      await assert.rejects(writeRecords(at('c'), [], options), {
        code: 'ERR_CORPUS',
        message: /expected at least one sample, got none/,
      });
      for (const wrong of [
        { ...options, shardByte: 5 },
        { ...options, shardBytes: 5 },
        { ...options, samplesPerShard: 0 },
        { ...options, classes: { z: 3 } },
        { ...options, classes: { x: 3 } },
        { schema: {} },
        { schema: { id: schema.y } },
        { schema: { x: { type: 'float64', shape: [] } } },
      ])
        // @ts-expect-error some of these do not even compile
        await assert.rejects(writeRecords(at('c'), numbered(1), wrong), { code: 'ERR_OPTIONS' });
      assert.deepEqual(readdirSync(folder.path), []);
    });
  });

  describe('reading', () => {
    const firstFrame = 16;
    beforeEach(() => writeRecords(at('c'), numbered(40), options));

    for (const [what, change, facts] of [
      ['a wrong magic', (bytes) => void bytes.write('X', 0), { offset: 0, expected: 'TAUSHARD' }],
      [
        'an unknown version',
        (bytes) => void bytes.writeUInt32LE(9, 8),
        { offset: 8, expected: 'version 2', got: 'version 9' },
      ],
      [
        'an absurd frame length',
        (bytes) => void bytes.writeUInt32LE(0xffffffff, firstFrame),
        { offset: firstFrame, got: 'a length of 4294967295' },
      ],
      [
        'a frame length that is off by one',
        (bytes) => void bytes.writeUInt32LE(bytes.readUInt32LE(firstFrame) + 1, firstFrame),
        { offset: firstFrame },
      ],
      [
        'a frame that is no msgpack',
        (bytes) => void bytes.fill(0xc1, firstFrame + 4, firstFrame + 8),
        { offset: firstFrame + 4 },
      ],
      ['a frame that is no sample', (bytes) => void bytes.writeUInt8(0x90, firstFrame + 4), { offset: firstFrame + 4 }],
      [
        'an index that points outside',
        (bytes) => void bytes.writeUInt32LE(bytes.length, bytes.length - 16 - 4 - 40 * 8),
        { got: '' },
      ],
      ['a trailer without its magic', (bytes) => void bytes.fill(0, bytes.length - 8), { expected: 'TAUINDEX' }],
      [
        'a count that differs from the manifest',
        (bytes) => void bytes.writeUInt32LE(39, bytes.length - 16),
        { expected: '40 samples, as in the manifest', got: '39' },
      ],
      ['an index elsewhere', (bytes) => void bytes.writeUInt32LE(20, bytes.length - 12), { got: '20' }],
      ['less than a header', (bytes) => bytes.subarray(0, 5), { offset: 0, got: '5 bytes' }],
    ] satisfies [string, (bytes: Buffer) => Buffer | void, Record<string, unknown>][]) {
      it(`refuses ${what}`, async () => {
        corrupt(change, { sign: true });
        await assert.rejects(readAll(), (error) => {
          assert.ok(error instanceof ShardError);
          assert.match(
            error.message,
            /^Shard `shard-00000\.records` at byte \d+: expected .+, got .+\. .*write it again\.$/,
          );
          for (const [fact, value] of Object.entries(facts)) if (value !== '') assert.equal(error.facts[fact], value);
          assert.equal(error.facts['shard'], 'shard-00000.records');
          return true;
        });
        assert.deepEqual(openFiles(folder.path) ?? [], []);
      });
    }

    it('refuses a shard that was cut short', async () => {
      const { bytes } = manifest().shards[0]!;
      truncateSync(shard(), 100);
      await assert.rejects(readAll(), {
        code: 'ERR_SHARD',
        message: `Shard \`shard-00000.records\` at byte 100: expected ${bytes} bytes, got 100. The shard is not what was written: fetch or write it again.`,
      });
    });

    it('refuses a shard that is missing', async () => {
      rmSync(shard());
      await assert.rejects(readAll(), {
        code: 'ERR_SHARD',
        message: /^Shard `shard-00000\.records` at byte 0: expected a file, got ENOENT/,
      });
    });

    it('refuses a flipped bit anywhere in a shard: by the CRC of its frame, the sha256 of the index, or the header', async () => {
      const whole = readFileSync(shard());
      const index = whole.length - 16 - 4 - 40 * 8;
      const places = fc.oneof(fc.nat(whole.length - 1), fc.nat(15), fc.integer({ min: index, max: whole.length - 1 }));
      await fc.assert(
        fc.asyncProperty(places, fc.nat(7), async (place, bit) => {
          const flipped = Buffer.from(whole);
          flipped[place]! ^= 1 << bit;
          rewrite(flipped);
          const inFrames = place < index ? /a frame of CRC-32 [0-9a-f]{8}, got [0-9a-f]{8}\./ : /an index of sha256/;
          await assert.rejects(readAll(), {
            code: 'ERR_SHARD',
            message: place < 16 ? /at byte (0|8|12): / : inFrames,
          });
        }),
        { seed: 1, numRuns: 200 },
      );
    });

    it('leaves out the samples whose frames are damaged and gives all others, in any order, as rows and one by one', async () => {
      const whole = readFileSync(shard());
      const index = whole.length - 16 - 4 - 40 * 8;
      const frameOf = (place: number) =>
        numbered(40).findLastIndex((_, i) => whole.readUInt32LE(index + i * 8) <= place);
      const damage = fc.array(fc.tuple(fc.integer({ min: 16, max: index - 1 }), fc.integer({ min: 1, max: 255 })), {
        minLength: 1,
        maxLength: 6,
      });
      await fc.assert(
        fc.asyncProperty(damage, fc.boolean(), async (flips, asRows) => {
          const damaged = Buffer.from(whole);
          const once = new Map(flips);
          for (const [place, bits] of once) damaged[place]! ^= bits;
          rewrite(damaged);
          const bad = new Set([...once.keys()].map(frameOf));
          const corpus = await recordCorpus(at('c'), { onBadSample: 'skip' });
          const stream = corpus.samples({ seed: 3, epochs: 1 });
          const columns = { x: new Float32Array(80), y: new Int32Array(40) };
          const rows = { schema: corpus.schema, columns, where: 'test' };
          const got = asRows ? await stream.fillRows!(rows, 40) : await ids(stream);
          const good = numbered(40).filter((_, i) => !bad.has(i));
          assert.deepEqual(got.toSorted(), good.map(({ id }) => id).toSorted());
          if (asRows)
            got.forEach((id, row) =>
              assert.equal(columns.x[2 * row], Number(id.slice(1)), 'rows have their own numbers'),
            );
          await stream[Symbol.asyncIterator]().return?.();
          assert.equal(corpus.badSamples!.count, bad.size);
          for (const { id, reason } of corpus.badSamples!.samples) {
            assert.match(id, /^shard-00000\.records at byte \d+$/);
            assert.match(reason, /CRC-32/);
          }
        }),
        { seed: 4, numRuns: 100 },
      );
    });

    it('leaves out all of a shard whose index is damaged', async () => {
      corrupt((bytes) => void (bytes[bytes.length - 16 - 4 - 3]! ^= 1));
      const corpus = await recordCorpus(at('c'), { onBadSample: 'skip' });
      assert.deepEqual(await ids(corpus.samples(inOrder)), []);
      assert.equal(corpus.badSamples!.count, 40);
    });

    it('refuses a shard that is another, right by itself', async () => {
      const others = numbered(40).map((sample) => ({ ...sample, y: 9 - Number(sample['y']) }));
      await writeRecords(at('d'), others, options);
      writeFileSync(shard(), readFileSync(at('d', 'shard-00000.records')));
      await assert.rejects(readAll(), { code: 'ERR_SHARD', message: /an index of sha256/ });
    });

    it('meets any damage that nobody checked for with a typed error or with values of the schema', async () => {
      const whole = readFileSync(shard());
      const damage = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
      let read = 0;
      await fc.assert(
        fc.asyncProperty(damage, async (bytes) => {
          const damaged = Buffer.from(whole);
          for (const [place, byte] of bytes) damaged[place] = byte;
          writeFileSync(shard(), damaged);
          try {
            for (const { id, x, y } of await readAll(false)) {
              assert.equal(typeof id, 'string');
              assert.ok(x instanceof Float32Array && x.length === 2 && typeof y === 'number' && y >= 0 && y < 10);
            }
            read += 1;
          } catch (error) {
            assert.ok(error instanceof TaustreamError, String(error));
          }
        }),
        { seed: 2, numRuns: 400 },
      );
      assert.ok(read > 20 && read < 380, `both ends are met: ${read} of 400 were read`);
    });

    it('refuses a shard that changed after it was found right', async () => {
      const corpus = await recordCorpus(at('c'));
      assert.equal((await collect(corpus.samples(inOrder))).length, 40);
      await new Promise((resolve) => setTimeout(resolve, 20)); // file times have a resolution of some milliseconds
      corrupt((bytes) => void bytes.writeUInt8(1, firstFrame + 30));
      await assert.rejects(collect(corpus.samples(inOrder)), { code: 'ERR_SHARD', message: /CRC-32/ });
    });

    it('refuses a label outside the classes, naming the sample', async () => {
      const m = manifest();
      m.classes = { y: 5 };
      writeFileSync(at('c', 'manifest.json'), JSON.stringify(m));
      await assert.rejects(readAll(), {
        code: 'ERR_LABEL',
        message: /sample `s5`: expected a label in \[0, 5\) in `y`, got 5/,
      });
    });

    it('refuses a column of another size than the manifest says', async () => {
      const m = manifest();
      m.schema = { ...m.schema, x: { type: 'float32', shape: [3] } };
      writeFileSync(at('c', 'manifest.json'), JSON.stringify(m));
      await assert.rejects(readAll(), { code: 'ERR_SHARD', message: /at byte 20: expected 12 bytes in `x`, got 8\./ });
    });

    it('refuses a folder without a manifest, or with one that is wrong', async () => {
      await assert.rejects(recordCorpus(at('none')), {
        code: 'ERR_CORPUS',
        message: /expected a usable manifest\.json, got ENOENT.*never finished/,
      });
      const good = manifest();
      for (const wrong of [
        'not json',
        JSON.stringify({ ...good, version: 3 }),
        JSON.stringify({ ...good, version: 1 }),
        JSON.stringify({ ...good, shards: [{ ...good.shards[0], indexSha256: undefined }] }),
        JSON.stringify({ ...good, shards: [{ ...good.shards[0], indexSha256: 'none' }] }),
        JSON.stringify({ ...good, samples: 41 }),
        JSON.stringify({ ...good, shards: [] }),
        JSON.stringify({ ...good, shards: [{ ...good.shards[0], file: '../outside' }] }),
        JSON.stringify({ ...good, classes: { x: 3 } }),
      ]) {
        writeFileSync(at('c', 'manifest.json'), wrong);
        await assert.rejects(recordCorpus(at('c')), {
          code: 'ERR_CORPUS',
          message: /expected a usable manifest\.json, got/,
        });
      }
    });

    it('refuses options that are unknown or out of range', async () => {
      const wrongs: Record<string, unknown>[] = [{ shuffleBuffer: 0 }, { shardsAtOnce: 1.5 }, { verfy: false }];
      for (const wrong of wrongs) await assert.rejects(recordCorpus(at('c'), wrong), { code: 'ERR_OPTIONS' });
    });
  });
});
