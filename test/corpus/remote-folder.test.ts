import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { corpus } from '../../src/corpus/open-corpus.ts';
import { localShard } from '../../src/corpus/remote-folder.ts';
import { listS3 } from '../../src/corpus/s3.ts';
import { writeRecords } from '../../src/corpus/write-records.ts';
import type { Sample } from '../../src/stream/sample.ts';
import { collect, temporaryFolder } from './folders.ts';
import { beginRange, httpServer, rangeOf } from './http-server.ts';

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** Serves files below a folder, with ranges, and listings of it in pages of two, as an S3-compatible store does. */
const serving =
  (folder: () => string): RequestListener =>
  (request, response) => {
    const url = new URL(request.url!, 'http://localhost');
    if (url.searchParams.has('list-type')) {
      const bucket = url.pathname.split('/')[1]!;
      const prefix = url.searchParams.get('prefix')!;
      const all = readdirSync(join(folder(), bucket), { recursive: true, encoding: 'utf8' })
        .filter((name) => statSync(join(folder(), bucket, name)).isFile() && name.startsWith(prefix))
        .toSorted();
      const begin = Number(url.searchParams.get('continuation-token') ?? 0);
      const keys = all.slice(begin, begin + 2).map((key) => `<Contents><Key>${escaped(key)}</Key></Contents>`);
      const isCut = begin + 2 < all.length;
      const next = isCut ? `<NextContinuationToken>${begin + 2}</NextContinuationToken>` : '';
      response.end(
        `<?xml version="1.0"?><ListBucketResult xmlns="x"><IsTruncated>${isCut}</IsTruncated>${keys.join('')}${next}</ListBucketResult>`,
      );
      return;
    }
    const path = join(folder(), decodeURIComponent(url.pathname));
    if (!existsSync(path)) return void response.writeHead(404).end('none');
    const bytes = readFileSync(path);
    const range = rangeOf(request, bytes.length);
    beginRange(response, range, bytes.length, { etag: `"${bytes.length}"` }).end(bytes.subarray(...range));
  };

const schema = { x: { type: 'float32', shape: [null, 2] }, y: { type: 'int32', shape: [] } } as const;
const samples: Sample[] = Array.from({ length: 80 }, (_, i) => ({
  id: `s:${i}`,
  x: Float32Array.from({ length: 2 * (1 + (i % 5)) }, (_v, j) => i + j / 8),
  y: i % 3,
}));

describe('remote folders', () => {
  const folder = temporaryFolder();
  const server = httpServer(serving(() => folder.path));
  const { requests } = server;
  const names = ['XDG_CACHE_HOME', 'AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_S3', 'AWS_ACCESS_KEY_ID'] as const;
  let before_: Partial<Record<string, string | undefined>> = {};
  beforeEach(() => {
    before_ = Object.fromEntries(names.map((name) => [name, process.env[name]]));
    for (const name of names) delete process.env[name];
    process.env['XDG_CACHE_HOME'] = join(folder.path, '.cache');
    process.env['AWS_ENDPOINT_URL'] = server.base;
  });
  afterEach(() => {
    for (const name of names)
      if (before_[name] === undefined) delete process.env[name];
      else process.env[name] = before_[name];
  });

  const written = async (at: string) =>
    writeRecords(join(folder.path, at), samples, { schema, classes: { y: 3 }, shardBytes: 1024 });

  it('of record shards are opened by their manifest, over https and s3, with lengths of their own', async () => {
    const { shards } = await written('bucket/rises & falls');
    assert.ok(shards.length > 2);
    for (const path of [
      `${server.base}/bucket/${encodeURIComponent('rises & falls')}/`,
      's3://bucket/rises & falls/',
    ]) {
      const opened = await corpus(path);
      assert.deepEqual([opened.length, opened.schema], [80, schema]);
      const own = await collect(opened.samples({ seed: 1, epochs: 1, shuffle: false }));
      assert.deepEqual(own, samples);
      const again = requests.length;
      await collect(opened.samples({ seed: 1, epochs: 2 }));
      assert.equal(requests.length, again, 'shards are fetched once');
    }
  });

  it('of record shards that are not what was written are refused by the name of the shard', async () => {
    const { shards } = await written('bucket/bad');
    const path = join(folder.path, 'bucket/bad', shards[1]!.file);
    const bytes = readFileSync(path);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(path, bytes);
    const opened = await corpus(`${server.base}/bucket/bad/`);
    await assert.rejects(collect(opened.samples({ seed: 1, epochs: 1 })), {
      code: 'ERR_SHARD',
      message: new RegExp(`${shards[1]!.file}.*CRC-32`),
    });
  });

  it('on s3 hold any format, listed page by page', async () => {
    for (const name of ['a.tsv', 'b.tsv', 'deep/c.tsv', '.hidden/d.tsv'])
      folder.write(`bucket/ucr/${name}`, '1\t2\t3\n2\t4\t5\n');
    folder.write('bucket/other/e.tsv', '1\t2\t3\n');
    const listed = await listS3('s3://bucket/ucr/');
    assert.deepEqual(
      listed.map(({ name }) => name),
      ['.hidden/d.tsv', 'a.tsv', 'b.tsv', 'deep/c.tsv'],
    );
    const opened = await corpus('s3://bucket/ucr/');
    const ids = (await collect(opened.samples({ seed: 1, epochs: 1, shuffle: false }))).map(({ id }) => id);
    assert.deepEqual(ids, ['a.tsv:0', 'a.tsv:1', 'b.tsv:0', 'b.tsv:1', 'deep/c.tsv:0', 'deep/c.tsv:1']);
  });

  it('that are none are an error that says so', async () => {
    await assert.rejects(corpus(`${server.base}/nothing/`), { code: 'ERR_FETCH', message: /manifest\.json.*404/ });
    folder.write('bucket/x.tsv', '1\t2\t3\n');
    await assert.rejects(corpus('s3://bucket/nothing/'), { code: 'ERR_CORPUS', message: /got none/ });
    folder.write('bucket/cut/manifest.json', '{');
    await assert.rejects(corpus(`${server.base}/bucket/cut/`), {
      code: 'ERR_CORPUS',
      message: /usable manifest\.json/,
    });
  });
});

describe('localShard', () => {
  const folder = temporaryFolder();
  let answer: RequestListener | undefined;
  const bytes = Buffer.from('all of the shard');
  const server = httpServer((request, response) => {
    if (answer) return answer(request, response);
    const range = rangeOf(request, bytes.length);
    beginRange(response, range, bytes.length).end(bytes.subarray(...range));
  });
  const before_ = process.env['XDG_CACHE_HOME'];
  beforeEach(() => {
    process.env['XDG_CACHE_HOME'] = folder.path;
  });
  afterEach(() => {
    if (before_ === undefined) delete process.env['XDG_CACHE_HOME'];
    else process.env['XDG_CACHE_HOME'] = before_;
  });

  it('ends when its signal aborts, and is had by the next', async () => {
    const reason = new Error('enough');
    const controller = new AbortController();
    answer = () => controller.abort(reason);
    await assert.rejects(localShard(server.base, 'a.shard', controller.signal), reason);
    answer = undefined;
    assert.deepEqual(readFileSync(await localShard(server.base, 'a.shard')), bytes);
  });
});
