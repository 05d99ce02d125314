import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { corpus } from '../../src/corpus/open-corpus.ts';
import { packCorpus } from '../../src/corpus/pack-corpus.ts';
import { recordCorpus } from '../../src/corpus/record-corpus.ts';
import { stateKey } from '../../src/corpus/shard-reader.ts';
import { verifyCorpus } from '../../src/corpus/verify-corpus.ts';
import { writeRecords } from '../../src/corpus/write-records.ts';
import { collect, temporaryFolder } from './folders.ts';

/** Three samples as version 1 of this format was written: bytes and manifest as they were found on the disk. */
const oldShard =
  'VEFVU0hBUkQBAAAAAAAAABQAAACTonMwxAgAAAAAAAAAAMQEAAAAABQAAACTonMxxAgAAIA/AAAAP8QEAQAAABQAAACTonMyxAgAAABA' +
  'AACAP8QEAgAAABAAAAAoAAAAQAAAAFgAAAADAAAAWAAAAFRBVUlOREVY';
const oldManifest = {
  format: 'taustream-records',
  version: 1,
  name: 'old',
  schema: { x: { type: 'float32', shape: [2] }, y: { type: 'int32', shape: [] } },
  classes: { y: 10 },
  samples: 3,
  shards: [
    {
      file: 'shard-00000.records',
      samples: 3,
      bytes: 120,
      sha256: '792bd906053ab3ff5bd86210654938a9330ab1beaaee627f2562c4fc6e51a843',
    },
  ],
};
const oldSamples = [0, 1, 2].map((i) => ({ id: `s${i}`, x: Float32Array.of(i, i / 2), y: i }));

describe('shards of version 1', () => {
  const folder = temporaryFolder();
  const old = () => join(folder.path, 'old');
  const order = { seed: 0, epochs: 1, shuffle: false };
  beforeEach(() => {
    folder.write('old/manifest.json', JSON.stringify(oldManifest));
    folder.write('old/shard-00000.records', Buffer.from(oldShard, 'base64'));
  });

  it('are read as they were written, and verified', async () => {
    const opened = await recordCorpus(old());
    assert.deepEqual(await collect(opened.samples(order)), oldSamples);
    assert.deepEqual(await verifyCorpus(await corpus(old()), old()), { samples: 3, bad: [] });
  });

  it('are refused with a flipped bit anywhere, by the sha256 of the whole', async () => {
    const whole = Buffer.from(oldShard, 'base64');
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(7), async (place, bit) => {
        const flipped = Buffer.from(whole);
        flipped[place]! ^= 1 << bit;
        folder.write('old/shard-00000.records', flipped);
        const opened = await recordCorpus(old());
        await assert.rejects(collect(opened.samples(order)), {
          code: 'ERR_SHARD',
          message: /expected sha256 [0-9a-f]{64}, got [0-9a-f]{64}/,
        });
        const { bad } = await verifyCorpus(await corpus(old()), old());
        assert.deepEqual(
          bad.map(({ id }) => id),
          ['shard-00000.records'],
        );
      }),
      { seed: 1, numRuns: 40 },
    );
  });

  it('become those of now when they are packed, which say the same', async () => {
    const out = join(folder.path, 'new');
    const { version, shards } = await packCorpus(await corpus(old()), out);
    assert.deepEqual([version, shards.every(({ indexSha256 }) => indexSha256 !== undefined)], [2, true]);
    assert.deepEqual(await collect((await recordCorpus(out)).samples(order)), oldSamples);
  });

  it('are replaced by new ones, all of them', async () => {
    folder.write(
      'old/manifest.json',
      JSON.stringify({
        ...oldManifest,
        samples: 6,
        shards: [oldManifest.shards[0], { ...oldManifest.shards[0], file: 'shard-00001.records' }],
      }),
    );
    folder.write('old/shard-00001.records', Buffer.from(oldShard, 'base64'));
    await writeRecords(old(), oldSamples, {
      schema: { x: { type: 'float32', shape: [2] }, y: { type: 'int32', shape: [] } },
      overwrite: true,
    });
    assert.ok(!existsSync(join(old(), 'shard-00001.records')));
    assert.deepEqual(await collect((await recordCorpus(old())).samples(order)), oldSamples);
  });

  it('that a broken-off pack left are not mixed with new ones: it begins anew', async () => {
    folder.write('rows.jsonl', Array.from({ length: 300 }, (_, x) => JSON.stringify({ x, label: x % 3 })).join('\n'));
    const rows = await corpus(join(folder.path, 'rows.jsonl'));
    const [whole, out] = [join(folder.path, 'whole'), join(folder.path, 'out')];
    const { shards } = await packCorpus(rows, whole, { shardBytes: 2048 });
    const [{ indexSha256: _, ...first }] = shards as [(typeof shards)[0]];
    folder.write(`out/.packing/${first.file}`, readFileSync(join(whole, first.file)));
    const position = rows.samples(order).position!(first.samples);
    const progress = { schema: JSON.stringify([rows.schema, rows.classes ?? {}]), shardBytes: 2048, position };
    writeFileSync(
      join(out, '.packing', 'progress.json'),
      JSON.stringify({ ...progress, samples: first.samples, shards: [first] }),
    );
    const packed = await packCorpus(rows, out, { shardBytes: 2048 });
    assert.deepEqual(packed.shards, shards);
  });
});

describe('stateKey', () => {
  const state = { size: 100, mtimeMs: 5000, birthtimeMs: 3000, ino: 42 };

  it('tells a cached shard that was fetched anew from the one before, whose number it may have', () => {
    assert.notEqual(stateKey({ ...state, birthtimeMs: 4000 }), stateKey(state));
    assert.notEqual(stateKey({ ...state, size: 101 }), stateKey(state));
    assert.notEqual(stateKey({ ...state, ino: 43 }), stateKey(state));
  });

  it('does not mind that a cached shard was used, which changes its times, but a local one is another then', () => {
    assert.equal(stateKey({ ...state, mtimeMs: 6000 }), stateKey(state));
    assert.notEqual(stateKey({ ...state, mtimeMs: 6000 }, '/data/a'), stateKey(state, '/data/a'));
    assert.notEqual(stateKey(state, '/data/b'), stateKey(state, '/data/a'));
  });
});
