import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { splitRow } from '../../../src/corpus/formats/csv.ts';
import { crc32c, maskedCrc32c } from '../../../src/corpus/formats/crc32c.ts';
import { corpus, type CorpusOptions } from '../../../src/corpus/open-corpus.ts';
import type { ShardedCorpus } from '../../../src/corpus/sharded-corpus.ts';
import { loadTokenizer } from '../../../src/corpus/tokenizer.ts';
import type { Sample } from '../../../src/stream/sample.ts';
import type { TextCorpus } from '../../../src/corpus/windowed-text.ts';
import { collect, openFiles, temporaryFolder } from '../folders.ts';
import {
  exampleBytes,
  idxBytes,
  parquetBytes,
  png,
  slowCrc32c,
  tarBytes,
  tfRecordBytes,
  zipBytes,
} from './write-files.ts';

const bytes = (length: number, of: (i: number) => number) => Uint8Array.from({ length }, (_, i) => of(i));

describe('corpus', () => {
  const folder = temporaryFolder();
  let cache: string | undefined;
  beforeEach(() => {
    cache = process.env['XDG_CACHE_HOME'];
    process.env['XDG_CACHE_HOME'] = `${folder.path}/.cache`;
  });
  afterEach(() => {
    if (cache === undefined) delete process.env['XDG_CACHE_HOME'];
    else process.env['XDG_CACHE_HOME'] = cache;
  });

  /** Opens and reads a corpus in its own order; every opened file is closed again. */
  async function read(options: Partial<CorpusOptions> = {}): Promise<{ opened: ShardedCorpus; samples: Sample[] }> {
    const opened = (await corpus({ path: folder.path, ...options })) as ShardedCorpus;
    const samples = await collect(opened.samples({ seed: 1, epochs: 1, shuffle: false }));
    assert.equal(samples.length, opened.length);
    const shuffled = await collect(opened.samples({ seed: 1, epochs: 1 }));
    const byId = (all: Sample[]) => new Map(all.map((sample) => [sample.id, sample]));
    assert.deepEqual(byId(shuffled), byId(samples), 'the shuffled order holds the same samples');
    assert.equal(byId(samples).size, samples.length, 'ids are unique');
    assert.deepEqual(openFiles(folder.path)?.filter((name) => !name.endsWith('.zip')) ?? [], []);
    return { opened, samples };
  }

  describe('of IDX', () => {
    const images = idxBytes(
      [5, 3, 2],
      bytes(30, (i) => 7 * i),
    );
    const labels = idxBytes([5], Uint8Array.of(3, 1, 4, 1, 5));

    it('pairs images with labels, also in gzip, and passes a README over', async () => {
      folder.write('train-images-idx3-ubyte.gz', gzipSync(images));
      folder.write('train-labels-idx1-ubyte.gz', gzipSync(labels));
      folder.write('README.md', 'about it');
      const { opened, samples } = await read();
      assert.deepEqual([opened.format, opened.length, opened.classes], ['idx', 5, { y: 6 }]);
      assert.deepEqual(opened.schema, { x: { type: 'uint8', shape: [3, 2, 1] }, y: { type: 'int32', shape: [] } });
      assert.deepEqual(samples[2], { id: 'train-images-idx3-ubyte:2', x: bytes(6, (i) => 7 * (12 + i)), y: 4 });
    });

    it('reads the two parts of MNIST apart with `include`', async () => {
      for (const part of ['train', 't10k']) {
        folder.write(`${part}-images-idx3-ubyte`, images);
        folder.write(`${part}-labels-idx1-ubyte`, labels);
      }
      assert.equal((await read()).opened.length, 10);
      assert.equal((await read({ include: 'train' })).opened.length, 5);
    });

    it('refuses labels that are no file’s, and samples whose labels are missing', async () => {
      folder.write('train-images-idx3-ubyte', images);
      folder.write('train-labels-idx1-ubyte', labels);
      folder.write('t10k-images-idx3-ubyte', images);
      await assert.rejects(read(), { code: 'ERR_CORPUS', message: /none for `t10k-images-idx3-ubyte`/ });
      await assert.rejects(read({ include: 'labels' }), { code: 'ERR_CORPUS', message: /labels only/ });
      folder.write('t10k-images-idx3-ubyte', 'no header');
      await assert.rejects(read(), { code: 'ERR_SHARD', message: /t10k-images-idx3-ubyte.*IDX header/ });
    });

    it('refuses a file that is longer or shorter than its header says, and labels too few', async () => {
      folder.write('a-images', images.subarray(0, 40));
      await assert.rejects(read(), { code: 'ERR_SHARD', message: /a-images.*46 bytes, as the header says, got 40/ });
      folder.write('a-images', images);
      folder.write('a-labels', idxBytes([4], Uint8Array.of(1, 2, 3, 4)));
      await assert.rejects(read(), { code: 'ERR_SHARD', message: /5 labels/ });
    });
  });

  describe('of CIFAR', () => {
    it('puts channels last and checks labels', async () => {
      const row = (label: number) =>
        Buffer.concat([Buffer.of(label), bytes(3072, (i) => (i < 1024 ? i % 251 : i < 2048 ? 1 : 2))]);
      folder.write('data_batch_1.bin', Buffer.concat([row(9), row(0)]));
      const { opened, samples } = await read();
      assert.deepEqual([opened.format, opened.schema['x']!.shape, opened.classes], ['cifar', [32, 32, 3], { y: 10 }]);
      assert.deepEqual((samples[0]!['x'] as Uint8Array).slice(3 * 7, 3 * 8), Uint8Array.of(7, 1, 2));
      assert.equal(samples[0]!['y'], 9);
      folder.write('data_batch_1.bin', row(10));
      await assert.rejects(read(), { code: 'ERR_LABEL' });
    });

    it('of another size are refused by name, in a folder, in a list and alone', async () => {
      const row = Buffer.concat([Buffer.of(1), Buffer.alloc(3072)]);
      folder.write('data_batch_1.bin', row);
      folder.write('data_batch_2.bin', row.subarray(0, 3000));
      const paths = ['data_batch_1.bin', 'data_batch_2.bin'].map((name) => `${folder.path}/${name}`);
      for (const path of [folder.path, paths, paths[1]!])
        await assert.rejects(corpus({ path }), { code: 'ERR_SHARD', message: /data_batch_2\.bin` at byte 3000/ });
      folder.write('notes.bin', 'what is this?');
      await assert.rejects(corpus({ path: [paths[0]!, `${folder.path}/notes.bin`] }), {
        code: 'ERR_CORPUS',
        message: /1 of cifar and `notes\.bin`/,
      });
    });

    it('has two labels in CIFAR-100', async () => {
      folder.write('train.bin', Buffer.concat([Buffer.of(19, 99), Buffer.alloc(3072)]));
      const { samples, opened } = await read();
      assert.deepEqual([samples[0]!['coarse'], samples[0]!['y'], opened.classes], [19, 99, { y: 100, coarse: 20 }]);
    });
  });

  describe('of series', () => {
    it('reads UCR files, and numbers classes by size', async () => {
      folder.write('Toy_TRAIN.tsv', '10\t1.5\t2\t-3\n2\t0\t1e-1\tNaN\n-1\t7\t8\t9\n');
      const { opened, samples } = await read();
      assert.deepEqual(
        [opened.format, opened.schema['x']!.shape, opened.classNames],
        ['series', [3, 1], { y: ['-1', '2', '10'] }],
      );
      assert.deepEqual(samples[0], { id: 'Toy_TRAIN.tsv:0', x: Float32Array.of(1.5, 2, -3), y: 2 });
      assert.deepEqual(samples[1]!['x'], Float32Array.of(0, 0.1, 0));
    });

    it('reads .ts files of several channels and lengths, as they are or filled up', async () => {
      folder.write('Toy.ts', '#remark\n@problemName Toy\n@data\n1,2,3:4,5,6:b\n# between\n7:8:a\n');
      const own = await read();
      assert.deepEqual(own.opened.schema, {
        x: { type: 'float32', shape: [null, 2] },
        y: { type: 'int32', shape: [] },
      });
      assert.deepEqual(own.samples, [
        { id: 'Toy.ts:0', x: Float32Array.of(1, 4, 2, 5, 3, 6), y: 1 },
        { id: 'Toy.ts:1', x: Float32Array.of(7, 8), y: 0 },
      ]);
      const { opened, samples } = await read({ lengths: 'padded' });
      assert.deepEqual(opened.schema['x']!.shape, [3, 2]);
      assert.deepEqual(samples[0], { id: 'Toy.ts:0', x: Float32Array.of(1, 4, 2, 5, 3, 6), y: 1, length: 3 });
      assert.deepEqual(samples[1], { id: 'Toy.ts:1', x: Float32Array.of(7, 8, 0, 0, 0, 0), y: 0, length: 1 });
    });

    it('leaves out lines that are none, and counts them, if told to', async () => {
      folder.write('Toy.ts', '@data\n1,2:a\n1,x:b\n5:b\n3:4:b\n');
      const opened = await corpus({ path: folder.path, onBadSample: 'skip' });
      const samples = await collect(opened.samples({ seed: 1, epochs: 1, shuffle: false }));
      assert.deepEqual(
        samples.map(({ id, y }) => [id, y]),
        [
          ['Toy.ts:0', 0],
          ['Toy.ts:2', 1],
        ],
      );
      assert.deepEqual(
        (opened as ShardedCorpus).badSamples?.samples.map(({ id }) => id),
        ['Toy.ts at byte 12', 'Toy.ts at byte 22'],
      );
    });

    it('reads values with a space behind the comma', async () => {
      folder.write('Toy.csv', '1, 2.5, -3\n2, 4,\t5\n');
      await assert.rejects(read({ format: 'series' }), { code: 'ERR_SHARD', message: /at byte 11.*got ""/ });
      folder.write('Toy.csv', '1, 2.5, -3\n2, 4 , 5\n');
      const { samples } = await read();
      assert.deepEqual(
        samples.map(({ x }) => x),
        [Float32Array.of(2.5, -3), Float32Array.of(4, 5)],
      );
    });

    it('takes a line without a class for a bad one, not for class 0', async () => {
      folder.write('Toy.ts', '@data\n1,2:0\n3,4:\n5,6:1\n');
      await assert.rejects(read(), { code: 'ERR_SHARD', message: /Toy\.ts` at byte 12: expected a class, got none/ });
    });

    it('names the byte of a line that is none', async () => {
      folder.write('Toy.ts', '@data\n1,2:a\n1,x:b\n');
      await assert.rejects(read(), { code: 'ERR_SHARD', message: /Toy\.ts` at byte 12.*got "x"/ });
    });
  });

  describe('of tables', () => {
    it('guesses numbers and a class from CSV, with quotes and line breaks in them', async () => {
      folder.write('toy.csv', 'a,note,b,label\r\n1,"x, ""y""\nz",2.5,cat\r\n3,,-4,dog\r\n\r\n');
      const { opened, samples } = await read();
      assert.deepEqual(opened.classNames, { y: ['cat', 'dog'] });
      assert.deepEqual(samples, [
        { id: 'toy.csv:0', x: Float32Array.of(1, 2.5), y: 0 },
        { id: 'toy.csv:1', x: Float32Array.of(3, -4), y: 1 },
      ]);
    });

    it('takes a row whose class number is missing for a bad one, not for class 0', async () => {
      folder.write('toy.csv', 'a,label\n1,1\n2,\n3,0\n');
      await assert.rejects(read(), { code: 'ERR_SHAPE', message: /toy\.csv:1`: expected a class number in `label`/ });
      const opened = (await corpus({ path: folder.path, onBadSample: 'skip' })) as ShardedCorpus;
      const samples = await collect(opened.samples({ seed: 1, epochs: 1, shuffle: false }));
      assert.deepEqual(
        samples.map(({ id, y }) => [id, y]),
        [
          ['toy.csv:0', 1],
          ['toy.csv:2', 0],
        ],
      );
      folder.write('toy.csv', '');
      folder.write('toy.jsonl', '{"x":1,"label":1}\n{"x":2,"label":[0]}\n');
      const columns = { x: { kind: 'number' }, y: { from: 'label', kind: 'class', classes: 2 } } as const;
      await assert.rejects(read({ include: 'jsonl', columns }), {
        code: 'ERR_SHAPE',
        message: /toy\.jsonl:1`: expected a class number/,
      });
    });

    it('takes arrays of several lengths as series, as they are or filled up', async () => {
      folder.write('rows.jsonl', '{"x":[[1,2]],"y":0}\n{"x":null,"y":0}\n{"x":[[3,4],[5,6]],"y":1}\n');
      await assert.rejects(read(), { code: 'ERR_SHAPE', message: /rows\.jsonl:1.*shape \[T, 2\].*got nothing/ });
      folder.write('rows.jsonl', '{"x":[[1,2]],"y":0}\n{"x":[[3,4],[5,6]],"y":1}\n');
      const own = await read();
      assert.deepEqual(own.opened.schema['x'], { type: 'float32', shape: [null, 2] });
      assert.deepEqual(own.samples, [
        { id: 'rows.jsonl:0', x: Float32Array.of(1, 2), y: 0 },
        { id: 'rows.jsonl:1', x: Float32Array.of(3, 4, 5, 6), y: 1 },
      ]);
      const padded = await read({ lengths: 'padded' });
      assert.deepEqual(padded.opened.schema['x'], { type: 'float32', shape: [2, 2] });
      assert.deepEqual(padded.samples[0], { id: 'rows.jsonl:0', x: Float32Array.of(1, 2, 0, 0), y: 0, length: 1 });
    });

    it('refuses arrays that differ in another axis, are ragged, empty, or hold no numbers', async () => {
      folder.write('rows.jsonl', '{"x":[[1,2]],"y":0}\n{"x":[[3,4,5]],"y":1}\n');
      await assert.rejects(read(), { code: 'ERR_CORPUS', message: /`x`.*differ in their first axis/ });
      for (const [bad, message] of [
        ['[[1,2,3],[4]]', /differ in their first axis/],
        ['[[1,2],3]', /rows\.jsonl:1.*shape \[2, 2\]/],
        ['[[1,2],[3,"4x"]]', /rows\.jsonl:1.*finite number.*"4x"/],
      ] as const) {
        folder.write('rows.jsonl', `{"x":[[1,2],[3,4]],"y":0}\n{"x":${bad},"y":1}\n`);
        const rules = { x: { kind: 'number' }, y: { kind: 'number' } } as const;
        await assert.rejects(read({ columns: rules }), { message }, bad);
      }
      folder.write('rows.jsonl', '{"x":[],"y":0}\n{"x":[3],"y":1}\n');
      await assert.rejects(read(), { code: 'ERR_SHAPE', message: /rows\.jsonl:0/ });
    });

    it('names the line that is not UTF-8, or leaves it out and counts it', async () => {
      const bad = Buffer.concat([Buffer.from('a,label\n"1\n2",b\n3,'), Buffer.of(0xff), Buffer.from('\n4,c\n')]);
      folder.write('rows.csv', bad);
      const rules = { columns: { y: { kind: 'class', from: 'label' } } } as const;
      await assert.rejects(read(rules), {
        code: 'ERR_SHARD',
        message: /rows\.csv` at byte 16: expected UTF-8 text in line 4/,
      });
      const opened = (await corpus({ path: folder.path, ...rules, onBadSample: 'skip' })) as ShardedCorpus;
      assert.equal((await collect(opened.samples({ seed: 1, epochs: 1 }))).length, 2);
      assert.equal(opened.badSamples!.count, 1);
      folder.write('rows.csv', Buffer.concat([Buffer.of(0xff), bad]));
      await assert.rejects(read({ ...rules, onBadSample: 'skip' }), { code: 'ERR_SHARD', message: /line 1,/ });
    });

    it('gives text of JSONL as padded tokens with its length, truncated by policy', async () => {
      folder.write('mails.jsonl', '{"text":"héllo","label":"ham"}\n{"text":"a","label":"spam"}\n');
      const { opened, samples } = await read({ textLength: 4 });
      assert.deepEqual(samples[1], { id: 'mails.jsonl:1', x: Int32Array.of(98, 0, 0, 0), length: 1, y: 1 });
      assert.deepEqual(samples[0]!['x'], Int32Array.of(105, 196, 170, 109));
      assert.deepEqual(
        (await read({ textLength: 4, truncate: 'start' })).samples[0]!['x'],
        Int32Array.of(170, 109, 109, 112),
      );
      await assert.rejects(read({ textLength: 4, truncate: 'error' }), {
        code: 'ERR_SHAPE',
        message: /mails\.jsonl:0/,
      });
      assert.deepEqual(opened.classNames, { y: ['ham', 'spam'] });
    });

    it('leaves texts as long as they are, up to a limit, if told to', async () => {
      folder.write('mails.jsonl', '{"text":"abc","label":"ham"}\n{"text":"b","label":"spam"}\n');
      const labelled = await read({ textLength: 2, lengths: 'own' });
      assert.deepEqual(labelled.opened.schema, {
        x: { type: 'int32', shape: [null] },
        y: { type: 'int32', shape: [] },
      });
      assert.deepEqual(labelled.samples[0], { id: 'mails.jsonl:0', x: Int32Array.of(98, 99), y: 0 });
      assert.deepEqual(labelled.samples[1]!['x'], Int32Array.of(99));
      folder.write('mails.jsonl', '{"text":"abcb"}\n{"text":"ab"}\n');
      const alone = await read({ textLength: 9, lengths: 'own' });
      assert.deepEqual(alone.samples[1], { id: 'mails.jsonl:1', x: Int32Array.of(98), y: Int32Array.of(99) });
      folder.write('mails.jsonl', '{"text":"","label":"ham"}\n{"text":"b","label":"spam"}\n');
      await assert.rejects(read({ lengths: 'own' }), { code: 'ERR_SHAPE', message: /at least one token/ });
    });

    it('gives text alone with its own next tokens, and a mask of those that are there', async () => {
      folder.write('lines.jsonl', '{"text":"abcb"}\n');
      const { opened, samples } = await read({ textLength: 5, tokenizer: 'character' });
      assert.deepEqual(samples[0], {
        id: 'lines.jsonl:0',
        x: Int32Array.of(3, 2, 4, 0, 0),
        y: Int32Array.of(2, 4, 2, 0, 0),
        mask: Float32Array.of(1, 1, 1, 0, 0),
      });
      assert.deepEqual(opened.classes, { y: 5 });
    });

    it('takes rules for the columns', async () => {
      folder.write('rows.jsonl', '{"u":[1,2],"v":3,"kind":2}\n{"u":[4,5],"v":6,"kind":0}\n');
      const { opened, samples } = await read({
        columns: {
          x: { kind: 'number', from: 'u' },
          w: { kind: 'number', from: 'v' },
          y: { kind: 'class', from: 'kind', classes: 4 },
        },
      });
      assert.deepEqual(samples[1], { id: 'rows.jsonl:1', x: Float32Array.of(4, 5), w: 6, y: 0 });
      assert.deepEqual(opened.classes, { y: 4 });
      await assert.rejects(read({ columns: { x: { kind: 'number', from: 'none' } } }), {
        code: 'ERR_CORPUS',
        message: /`none`.*`u`, `v`, `kind`/,
      });
    });

    it('leaves a bad row out, counted and named, or stops at it', async () => {
      folder.write('rows.jsonl', '{"x":1,"y":0}\n{"x":\n{"x":"two","y":1}\n{"x":4,"y":1}\n');
      const rules = { columns: { x: { kind: 'number' }, y: { kind: 'class', classes: 2 } } } as const;
      await assert.rejects(read(rules), { code: 'ERR_SHARD', message: /rows\.jsonl` at byte 14/ });
      const opened = (await corpus({ path: folder.path, ...rules, onBadSample: 'skip' })) as ShardedCorpus;
      assert.equal((await collect(opened.samples({ seed: 1, epochs: 1 }))).length, 2);
      assert.deepEqual(opened.badSamples!.samples.map(({ id }) => id).toSorted(), [
        'rows.jsonl at byte 14',
        'rows.jsonl:2',
      ]);
    });

    it('reads any record of any JSONL file, wherever its marks are', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.string({ unit: 'grapheme', maxLength: 40 }), { minLength: 1, maxLength: 300 }),
          async (texts) => {
            folder.write('any.jsonl', texts.map((text, x) => JSON.stringify({ x, text })).join('\n'));
            const { samples } = await read({ columns: { x: { kind: 'number' } }, shuffleBuffer: 8 });
            assert.deepEqual(
              samples.map((sample) => sample['x']),
              texts.map((_, x) => x),
            );
          },
        ),
        { numRuns: 20 },
      );
    });
  });

  describe('of TFRecord', () => {
    const record = (i: number) =>
      exampleBytes({
        features: { floats: [i, i + 0.5], packed: i % 2 === 0 },
        label: { ints: [i % 3] },
        name: { bytes: [Buffer.from(`n${i}`)] },
      });
    const file = tfRecordBytes([0, 1, 2, 3].map(record));

    it('reads tf.train.Example', async () => {
      folder.write('toy.tfrecord', file);
      const { opened, samples } = await read();
      assert.deepEqual([opened.format, opened.classes], ['tfrecord', { y: 3 }]);
      assert.deepEqual(samples[3], { id: 'toy.tfrecord:3', x: Float32Array.of(3, 3.5), y: 0 });
    });

    it('finds every flipped byte', async () => {
      for (let at = 0; at < file.length; at++) {
        const flipped = Buffer.from(file);
        flipped[at]! ^= 1 << (at % 8);
        folder.write('toy.tfrecord', flipped);
        await assert.rejects(read(), { code: 'ERR_SHARD' }, `byte ${at}`);
      }
    });
  });

  describe('of WebDataset', () => {
    it('joins files of one name, and keeps its index', async () => {
      const red = await png({ r: 255, g: 0, b: 0 });
      folder.write(
        'train.tar',
        await tarBytes({
          'a/0001.png': red,
          'a/0001.cls': '2',
          'a/0002.cls': '0',
          'a/0002.png': red,
          [`${'long/'.repeat(30)}3.png`]: red,
          [`${'long/'.repeat(30)}3.cls`]: '1',
        }),
      );
      const options = { image: { height: 2, width: 2 } };
      const { opened, samples } = await read(options);
      assert.deepEqual([opened.format, opened.length, opened.classes], ['webdataset', 3, { y: 3 }]);
      assert.equal(samples[0]!.id, 'train.tar:a/0001');
      assert.deepEqual(samples[0]!['x'], Uint8Array.of(255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0));
      assert.deepEqual((await read(options)).samples, samples, 'the same from the kept index');
    });

    it('refuses an archive that is cut within a header', async () => {
      const whole = await tarBytes({ '1.cls': '2', '2.cls': '0' });
      const second = 2 * 512; // a header and a block of data each
      for (const end of [second + 1, second + 511]) {
        folder.write('cut.tar', whole.subarray(0, end));
        await assert.rejects(read(), {
          code: 'ERR_SHARD',
          message: /at byte 1024: expected a tar header, got \d+ bytes/,
        });
      }
    });

    it('refuses names that lead out of the archive', async () => {
      folder.write('bad.tar', await tarBytes({ '../0001.cls': '2' }));
      await assert.rejects(read(), { code: 'ERR_SHARD', message: /inside the archive/ });
    });
  });

  describe('of Parquet', () => {
    it('reads row groups as shards', async () => {
      folder.write('toy.parquet', parquetBytes(10, 4));
      const { opened, samples } = await read();
      assert.deepEqual(
        opened.shards.map(({ samples: n }) => n),
        [4, 4, 2],
      );
      assert.deepEqual(opened.classNames, { y: ['cat', 'dog', 'owl'] });
      assert.deepEqual(samples[9], { id: 'toy.parquet#2:1', x: Float32Array.of(4.5, 9), y: 0 });
    });
  });

  describe('of images', () => {
    const options = { image: { height: 2, width: 2 } };
    const pixel = (sample: Sample) => [...(sample['x'] as Uint8Array).subarray(0, 3)];

    it('takes folders in zips for classes, and blends transparency onto white', async () => {
      folder.write(
        'shard-0.zip',
        zipBytes({
          'cat/a.png': await png({ r: 200, g: 0, b: 0 }),
          'dog/b.png': await png({ r: 0, g: 0, b: 255, alpha: 0 }, 30, 10),
        }),
      );
      folder.write(
        'shard-1.zip',
        zipBytes({ 'cat/c.png': await png({ r: 0, g: 200, b: 0 }, 5, 50), 'readme.txt': Buffer.from('no image') }),
      );
      const { opened, samples } = await read(options);
      assert.deepEqual([opened.format, opened.length, opened.classNames], ['images', 3, { y: ['cat', 'dog'] }]);
      assert.deepEqual(
        samples.map((sample) => [sample.id, sample['y'], pixel(sample)]),
        [
          ['shard-0.zip:cat/a.png', 0, [200, 0, 0]],
          ['shard-0.zip:dog/b.png', 1, [255, 255, 255]],
          ['shard-1.zip:cat/c.png', 0, [0, 200, 0]],
        ],
      );
    });

    it('takes a labels file in the archive, and files in folders', async () => {
      const red = await png({ r: 255, g: 0, b: 0 });
      folder.write(
        'one.zip',
        zipBytes({ 'a.png': red, 'b.png': red, 'labels.csv': Buffer.from('file,label\na.png,x\n"b.png",y\n') }),
      );
      assert.deepEqual(
        (await read(options)).samples.map((sample) => sample['y']),
        [0, 1],
      );
    });

    it('takes a picture without a class in the labels file for a bad one', async () => {
      const red = await png({ r: 255, g: 0, b: 0 });
      const labels = Buffer.from('file,label\na.png,x\nb.png,\nc.png,y\n');
      folder.write('one.zip', zipBytes({ 'a.png': red, 'b.png': red, 'c.png': red, 'labels.csv': labels }));
      const opened = (await corpus({ path: folder.path, ...options, onBadSample: 'skip' })) as ShardedCorpus;
      assert.deepEqual(opened.classNames, { y: ['x', 'y'] });
      const samples = await collect(opened.samples({ seed: 1, epochs: 1, shuffle: false }));
      assert.deepEqual(
        samples.map(({ id, y }) => [id, y]),
        [
          ['one.zip:a.png', 0],
          ['one.zip:c.png', 1],
        ],
      );
      assert.deepEqual(
        opened.badSamples!.samples.map(({ id }) => id),
        ['one.zip:b.png'],
      );
    });

    it('takes image files in folders', async () => {
      folder.write('cat/1.png', await png({ r: 255, g: 0, b: 0 }));
      folder.write('owl/2.png', await png({ r: 9, g: 9, b: 9 }));
      const { opened, samples } = await read({ image: { height: 2, width: 2, channels: 1 } });
      assert.deepEqual(
        samples.map((sample) => sample.id),
        ['cat/1.png', 'owl/2.png'],
      );
      assert.deepEqual(opened.schema['x']!.shape, [2, 2, 1]);
      assert.deepEqual([...(samples[1]!['x'] as Uint8Array)], [9, 9, 9, 9]);
    });

    it('leaves out what is no image, claims too many pixels, has a wrong CRC, or no label', async () => {
      const good = await png({ r: 1, g: 2, b: 3 });
      const huge = await png({ r: 1, g: 2, b: 3 }, 300, 300);
      const archive = zipBytes({
        'a/1.png': good,
        'a/2.png': Buffer.from('\x89PNG\r\n\x1a\nno more'),
        'a/3.png': huge,
        'a/4.png': good.subarray(0, -30),
      });
      const at = archive.indexOf(good); // the first image: flip a byte of it
      archive[at + 40]! ^= 1;
      folder.write('some.zip', archive);
      const limited = { image: { height: 2, width: 2, maxPixels: 10_000 } };
      await assert.rejects(read(limited), { code: 'ERR_SHARD', message: /some\.zip/ });
      const opened = (await corpus({ path: folder.path, ...limited, onBadSample: 'skip' })) as ShardedCorpus;
      assert.equal((await collect(opened.samples({ seed: 1, epochs: 1 }))).length, 0);
      assert.deepEqual(
        opened.badSamples!.samples.map(({ id }) => id).toSorted(),
        [1, 2, 3, 4].map((i) => `some.zip:a/${i}.png`),
      );
    });

    it('refuses names that are absolute or lead out of the archive, and archives cut short', async () => {
      const image = await png({ r: 1, g: 2, b: 3 });
      for (const name of ['/etc/a.png', '../a.png', 'x/../../a.png']) {
        folder.write('bad.zip', zipBytes({ [name]: image }));
        await assert.rejects(read(options), { code: 'ERR_SHARD' }, name);
      }
      folder.write('bad.zip', zipBytes({ 'a/b.png': image }).subarray(0, -10));
      await assert.rejects(read(options), { code: 'ERR_SHARD' });
    });
  });

  it('reads packed text as if it lay there unpacked', async () => {
    const text = 'Call me Ishmael. Some years ago - never mind how long. '.repeat(30);
    folder.write('plain/a.txt', text);
    folder.write('packed/a.txt.gz', gzipSync(text));
    const [plain, packed] = [
      await corpus({ path: `${folder.path}/plain`, window: 16 }),
      await corpus({ path: `${folder.path}/packed`, window: 16 }),
    ];
    const options = { seed: 3, epochs: 1 };
    assert.deepEqual(await collect(packed.samples(options)), await collect(plain.samples(options)));
    folder.write('packed/a.txt.gz', gzipSync(text).subarray(0, -20));
    await assert.rejects(corpus({ path: `${folder.path}/packed` }), { code: 'ERR_SHARD', message: /a\.txt\.gz/ });
  });

  it('unpacks large files into the cache once, and refuses bombs', async () => {
    const rows = Array.from({ length: 40_000 }, (_, x) =>
      JSON.stringify({ x, note: `${Math.sin(x)}${Math.cos(x)}`, label: x % 2 }),
    ).join('\n');
    const path = folder.write('large.jsonl.gz', gzipSync(rows));
    const rules = { columns: { x: { kind: 'number' } } } as const;
    const opened = await corpus({ path, ...rules });
    assert.equal(opened.length, 40_000);
    assert.equal((await collect(opened.samples({ seed: 1, epochs: 1 }))).length, 40_000);
    const bomb = folder.write('bomb.jsonl.gz', gzipSync(Buffer.alloc(300 * 2 ** 20)));
    await assert.rejects(corpus({ path: bomb, ...rules }), { code: 'ERR_SHARD', message: /at most 200 times/ });
  }).timeout(30_000);

  it('opens plain text as text, and says what it does not know', async () => {
    folder.write('a.txt', 'Call me Ishmael. '.repeat(20));
    const opened = await corpus({ path: folder.path, window: 16 });
    assert.equal(opened.schema['x']!.shape[0], 16);
    folder.write('more/b.txt', 'And I only am escaped alone to tell thee. '.repeat(20));
    const [both, one] = [{}, { include: 'more/' }].map((which) => corpus({ path: folder.path, window: 16, ...which }));
    const files = async (text: typeof one) => ((await text) as TextCorpus).shards.map(({ name }) => name);
    assert.deepEqual([await files(both), await files(one)], [['a.txt', 'more/b.txt'], ['more/b.txt']]);
    const none = corpus({ path: folder.path, format: 'text', include: 'less/' });
    await assert.rejects(none, { code: 'ERR_CORPUS', message: /whose path holds `less\/`, got none/ });
    folder.write('b.jsonl', '{"x":1,"y":1}');
    folder.write('c.csv', 'a,label\n1,2\n');
    await assert.rejects(corpus(folder.path), { code: 'ERR_CORPUS', message: /1 of jsonl, 1 of csv/ });
    assert.equal((await corpus({ path: folder.path, format: 'csv' })).length, 1);
    await assert.rejects(corpus(`${folder.path}/none`), { code: 'ERR_CORPUS', message: /nothing there/ });
    await assert.rejects(corpus({ path: folder.path, formt: 'csv' } as never), {
      code: 'ERR_OPTIONS',
      message: /formt/,
    });
    folder.write('only/x.bin', 'who knows');
    await assert.rejects(corpus(`${folder.path}/only`), { code: 'ERR_CORPUS', message: /known format/ });
  });

  it('ends with a typed error or whole samples for any file with flipped bytes or cut short', async () => {
    const files: Record<string, Uint8Array> = {
      'a-images-idx': idxBytes(
        [5, 3, 2],
        bytes(30, (i) => i),
      ),
      't.tfrecord': tfRecordBytes([exampleBytes({ x: { floats: [1, 2] }, label: { ints: [1] } })]),
      't.tar': await tarBytes({ '1.txt': 'hello', '1.cls': '1', '2.txt': 'you', '2.cls': '0' }),
      't.parquet': parquetBytes(20, 5),
      't.zip': zipBytes({ 'a/1.png': await png({ r: 1, g: 2, b: 3 }), 'b/2.png': await png({ r: 3, g: 2, b: 1 }) }),
      't.jsonl': Buffer.from('{"x":1,"y":0}\n{"x":2,"y":1}\n'),
      't.csv': Buffer.from('x,y\n1,0\n"2",1\n'),
      't.ts': Buffer.from('@data\n1,2:a\n3,4:b\n'),
      't.csv.gz': gzipSync(Buffer.from('x,y\n1,0\n2,1\n')),
    };
    const change = fc.record({
      name: fc.constantFrom(...Object.keys(files)),
      flips: fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 4 }),
      cut: fc.option(fc.nat(), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(change, async ({ name, flips, cut }) => {
        const content = Buffer.from(files[name]!);
        for (const [at, by] of flips) content[at % content.length]! ^= by;
        const path = folder.write(name, content.subarray(0, cut === undefined ? undefined : cut % content.length));
        try {
          const opened = await corpus({ path, image: { height: 2, width: 2, maxPixels: 1e6 }, textLength: 8 });
          await collect(opened.samples({ seed: 1, epochs: 1 }));
        } catch (error) {
          assert.ok(
            error instanceof Error && 'facts' in error,
            `${name}: ${error instanceof Error ? error.stack : String(error)}`,
          );
        }
      }),
      { numRuns: 250 },
    );
  }).timeout(60_000);
});

describe('crc32c', () => {
  it('has the check value of its definition, and agrees with a bitwise one', () => {
    assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (data) => crc32c(data) === slowCrc32c(data)));
    assert.equal(
      maskedCrc32c(Buffer.alloc(8)),
      (((slowCrc32c(Buffer.alloc(8)) >>> 15) | (slowCrc32c(Buffer.alloc(8)) << 17)) + 0xa282ead8) >>> 0,
    );
  });
});

describe('splitRow', () => {
  it('takes apart what was quoted by the rules', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (fields) => {
        const quoted = fields.map((field) => `"${field.replaceAll('"', '""')}"`).join(',');
        assert.deepEqual(splitRow(quoted, ','), fields);
      }),
    );
  });

  it('tells a quote that is not closed', () => assert.equal(splitRow('a,"b', ','), undefined));
});

describe('loadTokenizer', () => {
  const folder = temporaryFolder();

  it('reads BPE from a tokenizer.json', async () => {
    const path = folder.write(
      'tokenizer.json',
      JSON.stringify({
        version: '1.0',
        truncation: null,
        padding: null,
        added_tokens: [
          {
            id: 0,
            content: '<pad>',
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: true,
          },
        ],
        normalizer: null,
        pre_tokenizer: { type: 'Whitespace' },
        post_processor: null,
        decoder: null,
        model: {
          type: 'BPE',
          vocab: { '<pad>': 0, a: 1, b: 2, ab: 3, abab: 4 },
          merges: ['a b', 'ab ab'],
          unk_token: null,
          fuse_unk: false,
        },
      }),
    );
    const tokenizer = await loadTokenizer(path);
    assert.deepEqual(Array.from(tokenizer.encode('abab aab')), [4, 1, 3]);
    assert.deepEqual([tokenizer.size, tokenizer.pad], [5, 0]);
    await assert.rejects(loadTokenizer(folder.write('other.json', '{}')), { code: 'ERR_CORPUS' });
  });

  it('reads a vocabulary of more tokens than a function takes arguments', async () => {
    const vocab = Object.fromEntries(Array.from({ length: 140_000 }, (_, id) => [`t${id}`, id]));
    const model = { type: 'WordPiece', vocab, unk_token: 't0', continuing_subword_prefix: '##' };
    const none = { truncation: null, padding: null, normalizer: null, post_processor: null, decoder: null };
    const json = { version: '1.0', ...none, added_tokens: [], pre_tokenizer: { type: 'Whitespace' }, model };
    const tokenizer = await loadTokenizer(folder.write('tokenizer.json', JSON.stringify(json)));
    assert.equal(tokenizer.size, 140_000);
    assert.deepEqual(Array.from(tokenizer.encode('t7 t139999')), [7, 139_999]);
  });
});
