import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { corpus } from '../../src/corpus/open-corpus.ts';
import { packCorpus } from '../../src/corpus/pack-corpus.ts';
import { recordCorpus } from '../../src/corpus/record-corpus.ts';
import { verifyCorpus } from '../../src/corpus/verify-corpus.ts';
import { collect, temporaryFolder } from './folders.ts';

describe('packCorpus', () => {
  const folder = temporaryFolder();
  const source = () => {
    folder.write(
      'rows.jsonl',
      Array.from({ length: 500 }, (_, x) => JSON.stringify({ x: [x, 2 * x], label: x % 3 })).join('\n'),
    );
    return corpus(join(folder.path, 'rows.jsonl'));
  };
  const order = { seed: 0, epochs: 1, shuffle: false };

  it('writes the same samples as record shards', async () => {
    const rows = await source();
    const out = join(folder.path, 'out');
    const manifest = await packCorpus(rows, out, { shardBytes: 2048 });
    assert.equal(manifest.samples, 500);
    assert.ok(manifest.shards.length > 5);
    assert.deepEqual(await collect((await recordCorpus(out)).samples(order)), await collect(rows.samples(order)));
    assert.deepEqual(
      readdirSync(out).filter((name) => name.startsWith('.')),
      [],
    );
    await assert.rejects(packCorpus(rows, out), { code: 'ERR_CORPUS' });
  });

  it('refuses shards larger than their offsets can tell, before it writes one', async () => {
    const rows = await source();
    for (const shardBytes of [2 ** 33, 10, Number.NaN])
      await assert.rejects(packCorpus(rows, join(folder.path, 'out'), { shardBytes }), {
        code: 'ERR_OPTIONS',
        message: /`shardBytes`/,
      });
  });

  it('goes on where it was broken off, wherever that was, and ends with the same bytes', async () => {
    const rows = await source();
    const whole = join(folder.path, 'whole');
    const shards = (await packCorpus(rows, whole, { shardBytes: 2048 })).shards;
    for (const stop of [256, 300, 460]) {
      const out = join(folder.path, `broken-${stop}`);
      const controller = new AbortController();
      const breaking = {
        ...rows,
        schema: rows.schema,
        length: rows.length,
        samples: (options: Parameters<typeof rows.samples>[0]) => {
          const stream = rows.samples(options);
          async function* some() {
            let taken = 0;
            for await (const sample of stream) {
              if (taken++ === stop) controller.abort(new Error('killed'));
              yield sample;
            }
          }
          return Object.assign(some(), { position: stream.position! });
        },
      };
      await assert.rejects(packCorpus(breaking, out, { shardBytes: 2048, signal: controller.signal }), /killed/);
      assert.ok(!readdirSync(out).includes('manifest.json'));
      const written: number[] = [];
      const resumed = await packCorpus(rows, out, { shardBytes: 2048, onProgress: (n) => written.push(n) });
      assert.ok(written[0]! > 200, 'it did not begin anew');
      assert.deepEqual(resumed.shards, shards);
      for (const { file } of shards) assert.deepEqual(readFileSync(join(out, file)), readFileSync(join(whole, file)));
    }
  });
});

describe('verifyCorpus', () => {
  const folder = temporaryFolder();

  it('names each shard with a flipped byte, which costs a lenient reader one sample', async () => {
    folder.write('rows.jsonl', Array.from({ length: 500 }, (_, x) => JSON.stringify({ x, label: x % 3 })).join('\n'));
    const out = join(folder.path, 'out');
    await packCorpus(await corpus(join(folder.path, 'rows.jsonl')), out, { shardBytes: 4096 });
    assert.deepEqual(await verifyCorpus(await corpus(out), out), { samples: 500, bad: [] });
    for (const file of ['shard-00001.records', 'shard-00003.records']) {
      const bytes = readFileSync(join(out, file));
      bytes[100]! ^= 1;
      writeFileSync(join(out, file), bytes);
    }
    const { bad } = await verifyCorpus(await corpus(out), out);
    const lenient = await recordCorpus(out, { onBadSample: 'skip' });
    const good = await collect(lenient.samples({ seed: 1, epochs: 1 }));
    assert.deepEqual([good.length, lenient.badSamples!.count], [498, 2]);
    assert.deepEqual(
      bad.map(({ id }) => id),
      ['shard-00001.records', 'shard-00003.records'],
    );
  });
});
