import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DiskCache } from '../../src/corpus/disk-cache.ts';
import { corpus } from '../../src/corpus/open-corpus.ts';
import { localCopy, remoteSource, type RemoteOptions } from '../../src/corpus/remote-source.ts';
import { listS3, type S3Options } from '../../src/corpus/s3.ts';
import { writeRecords } from '../../src/corpus/write-records.ts';
import type { Sample } from '../../src/stream/sample.ts';
import { collect, temporaryFolder } from './folders.ts';
import { httpServer } from './http-server.ts';
import { hasS3Server, S3Server } from './s3-server.ts';

const content = Buffer.from(Uint8Array.from({ length: 10_000 }, (_, i) => (i * 31) % 251));

describe('listS3', () => {
  const server = httpServer((_, response) => {
    const parts = '<IsTruncated>true</IsTruncated><NextMarker>a/1</NextMarker><Contents><Key>a/1</Key></Contents>';
    response.end(`<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts}</ListBucketResult>`);
  });

  it('refuses the first part of a listing that cannot be gone on with', async () => {
    const retry = { attempts: 1, pauseMs: 1, stallMs: 5000 };
    await assert.rejects(listS3('s3://data/a/', { endpoint: server.base }, retry), {
      code: 'ERR_FETCH',
      message: /expected a listing that goes on \(version 2\), got the first part of one alone/,
    });
    assert.equal(server.requests.length, 1);
  });
});

describe('an S3-compatible server', () => {
  const folder = temporaryFolder();
  let server: S3Server;
  before(async function () {
    if (!hasS3Server) this.skip(); // made by .ci/packages
    server = await S3Server.start(3);
    await server.makeBucket('data');
    for (const key of ['a/1.tsv', 'a/2.tsv', 'a/deep & low/ü + (3).tsv', 'a/x<y>.tsv', 'ab.tsv', 'a/.hidden/4.tsv'])
      await server.put('data', key, '1\t2\t3\n2\t4\t5\n');
    for (let i = 0; i < 7; i++) await server.put('data', `pages/${i}.tsv`, `${i}\t2\t3\n`);
    await server.put('data', 'bytes.bin', content);
  });
  after(async () => server?.stop());

  /** Sets what the environment says of the store, for one test. */
  const asEnvironment = (s3: S3Options) => {
    const set = {
      XDG_CACHE_HOME: join(folder.path, '.cache'),
      AWS_ENDPOINT_URL: s3.endpoint,
      AWS_ACCESS_KEY_ID: s3.accessKeyId,
      AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
      AWS_REGION: s3.region,
    };
    const before_ = Object.keys(set).map((name) => [name, process.env[name]] as const);
    Object.assign(process.env, set);
    return () => {
      for (const [name, value] of before_)
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
    };
  };

  const open = (key: string, options: RemoteOptions = {}) =>
    remoteSource(`s3://data/${key}`, {
      chunkBytes: 1000,
      pauseMs: 1,
      cache: new DiskCache('s3', 1e6, folder.path),
      s3: server.keys,
      ...options,
    });

  it('lists a folder page by page, whatever its keys are called', async () => {
    const names = async (of: string) => (await listS3(`s3://data/${of}`, server.keys)).map(({ name }) => name);
    assert.deepEqual(
      await names('pages/'),
      [0, 1, 2, 3, 4, 5, 6].map((i) => `${i}.tsv`),
    );
    assert.deepEqual(await names('a/'), ['.hidden/4.tsv', '1.tsv', '2.tsv', 'deep & low/ü + (3).tsv', 'x<y>.tsv']);
    assert.deepEqual(await names('none/'), []);
  });

  it('serves a folder as a corpus', async () => {
    const restore = asEnvironment(server.keys);
    try {
      const opened = await corpus('s3://data/a/');
      const ids = (await collect(opened.samples({ seed: 1, epochs: 1, shuffle: false }))).map(({ id }) => id);
      const files = ['1.tsv', '2.tsv', 'deep & low/ü + (3).tsv', 'x<y>.tsv'];
      assert.deepEqual(
        ids,
        files.flatMap((name) => [`${name}:0`, `${name}:1`]),
      );
    } finally {
      restore();
    }
  });

  it('serves record shards by their manifest', async () => {
    const samples: Sample[] = Array.from({ length: 200 }, (_, i) => ({
      id: `s:${i}`,
      x: Float32Array.of(i, 1),
      y: i % 3,
    }));
    const schema = { x: { type: 'float32', shape: [2] }, y: { type: 'int32', shape: [] } } as const;
    const { shards } = await writeRecords(join(folder.path, 'own'), samples, { schema, shardBytes: 1024 });
    assert.ok(shards.length > 2);
    for (const name of ['manifest.json', ...shards.map(({ file }) => file)])
      await server.put('data', `records/${name}`, readFileSync(join(folder.path, 'own', name)));
    const restore = asEnvironment(server.keys);
    try {
      const opened = await corpus('s3://data/records/');
      assert.deepEqual(await collect(opened.samples({ seed: 1, epochs: 1, shuffle: false })), samples);
    } finally {
      restore();
    }
  });

  it('gives ranges of an object', async () => {
    const source = await open('bytes.bin');
    assert.deepEqual([source.name, source.bytes], ['bytes.bin', content.length]);
    const reader = await source.open();
    for (const [from, to] of [
      [0, 1],
      [1500, 4200],
      [9990, 10_000],
      [0, 10_000],
    ] as const)
      assert.deepEqual(Buffer.from(await reader.read(from, to)), content.subarray(from, to));
  });

  it('refuses keys that are unknown or false, and says which it was', async () => {
    const { accessKeyId, secretAccessKey, ...store } = server.keys;
    for (const [s3, code] of [
      [{ ...store, accessKeyId: 'AKIAUNKNOWN000000000', secretAccessKey }, 'InvalidAccessKeyId'],
      [{ ...store, accessKeyId, secretAccessKey: `${secretAccessKey.slice(1)}x` }, 'SignatureDoesNotMatch'],
    ] as const) {
      const refused = { code: 'ERR_FETCH', message: new RegExp(`got .*403 \\(${code}\\).*Check the URL`) };
      await assert.rejects(listS3('s3://data/a/', s3), refused);
      await assert.rejects(open('bytes.bin', { s3 }), refused);
    }
  });

  it('says that a bucket or an object is not there', async () => {
    await assert.rejects(listS3('s3://nothing/', server.keys), { code: 'ERR_FETCH', message: /404 \(NoSuchBucket\)/ });
    await assert.rejects(open('nothing.bin'), { code: 'ERR_FETCH', message: /404 \(NoSuchKey\)/ });
  });

  it('tells that an object was replaced while it was read', async () => {
    await server.put('data', 'changing.bin', content);
    const source = await open('changing.bin');
    await server.put('data', 'changing.bin', content.toReversed());
    const reader = await source.open();
    await assert.rejects(reader.read(0, 10), { code: 'ERR_FETCH', message: /has changed/ });
  });

  describe('behind a gateway that breaks off', () => {
    let answers = Infinity;
    // Hands requests on as they are, signature and all; after so many it breaks off in the middle of each answer.
    const gateway = httpServer(({ url, headers }, response) => {
      const breaks = answers-- <= 0;
      httpRequest(`${server.endpoint}${url}`, { headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        if (!breaks) return void answer.pipe(response);
        answer.once('data', (bytes: Buffer) => response.write(bytes.subarray(0, 100), () => response.destroy()));
      }).end();
    });

    it('resumes a download: only what is missing is asked for', async () => {
      const cache = new DiskCache('resumed', 1e6, folder.path);
      const opening = async () =>
        open('bytes.bin', { s3: { ...server.keys, endpoint: gateway.base }, cache, attempts: 2, atOnce: 1 });
      const chunks = (from: number, to: number) =>
        Array.from({ length: to - from }, (_, i) => `bytes=${(from + i) * 1000}-${(from + i) * 1000 + 999}`);
      const ranges = () => gateway.requests.splice(0).map(({ headers }) => headers.range);
      answers = 5;
      await assert.rejects(localCopy(await opening(), cache), { code: 'ERR_FETCH', message: /2 attempts/ });
      assert.deepEqual(ranges(), ['bytes=0-0', ...chunks(0, 5), ...chunks(4, 5)]);
      answers = Infinity;
      const copy = await localCopy(await opening(), cache);
      assert.deepEqual(readFileSync(copy.path), content);
      assert.deepEqual(ranges(), ['bytes=0-0', ...chunks(4, 10)]);
    });
  });
});
