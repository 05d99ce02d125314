import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { DiskCache } from '../../src/corpus/disk-cache.ts';
import { FetchError } from '../../src/errors.ts';
import { localCopy, remoteSource, type RemoteOptions } from '../../src/corpus/remote-source.ts';
import { corpus } from '../../src/corpus/open-corpus.ts';
import { ids, temporaryFolder } from './folders.ts';
import { beginRange, httpServer, rangeOf, type ByteRange } from './http-server.ts';

const content = Buffer.from(Uint8Array.from({ length: 10_000 }, (_, i) => (i * 31) % 251));
type Answer = (request: IncomingMessage, response: ServerResponse, range: ByteRange) => void;

/** Gives what was asked for, as a good server does. */
const good: Answer = (_, response, range) =>
  void beginRange(response, range, content.length).end(content.subarray(...range));

describe('remoteSource', () => {
  const folder = temporaryFolder();
  let answers: Answer[] = [];
  const server = httpServer((request, response) =>
    (answers.shift() ?? good)(request, response, rangeOf(request, content.length)),
  );
  const { requests } = server;
  beforeEach(() => {
    answers = [];
  });

  const open = (options: RemoteOptions = {}, url = `${server.base}/data/train.bin`) =>
    remoteSource(url, {
      chunkBytes: 1000,
      pauseMs: 1,
      stallMs: 5000, // a busy machine is no stall
      cache: new DiskCache('remote', 1e6, folder.path),
      ...options,
    });
  async function read(from: number, to: number, options: RemoteOptions = {}) {
    const reader = await (await open(options)).open();
    return Buffer.from(await reader.read(from, to));
  }

  it('reads any range, in chunks that are fetched once', async () => {
    const source = await open();
    assert.deepEqual([source.name, source.bytes], ['train.bin', 10_000]);
    const reader = await source.open();
    assert.deepEqual(Buffer.from(await reader.read(1500, 4200)), content.subarray(1500, 4200));
    assert.equal(requests.length, 1 + 4);
    assert.deepEqual(Buffer.from(await reader.read(0, 10_000)), content);
    assert.equal(requests.length, 1 + 10);
    assert.deepEqual(await read(0, 10_000), content);
    assert.equal(requests.length, 1 + 10 + 1, 'another opening finds the chunks on the disk');
  });

  it('tries again after 500, 503, 429, a stall, a cut and a closed connection', async () => {
    const status =
      (code: number): Answer =>
      (_, response) =>
        void response.writeHead(code).end('busy');
    const cut: Answer = (_, response, [from, to]) => {
      beginRange(response, [from, to], content.length, { 'content-length': to - from });
      response.write(content.subarray(from, from + 10), () => response.destroy());
    };
    const short: Answer = (_, response, [from, to]) =>
      void beginRange(response, [from, to], content.length).end(content.subarray(from, to - 1));
    const stall: Answer = (_, response, [from, to]) =>
      void beginRange(response, [from, to], content.length).write(content.subarray(from, from + 10));
    const hangUp: Answer = (request) => void request.socket.destroy();
    for (const bad of [status(500), status(503), status(429), cut, short, stall, hangUp]) {
      answers = [bad, good, bad, bad];
      assert.deepEqual(
        await read(0, 500, { stallMs: 150, cache: new DiskCache(`c${requests.length}`, 1e6, folder.path) }),
        content.subarray(0, 500),
      );
    }
  });

  it('names a file as it stands in the URL where a sign of percent begins no code', async () => {
    const names = ['100%.bin', '100%25.bin', '%C3%BC.bin'].map(
      async (name) => (await open({}, `${server.base}/data/${name}`)).name,
    );
    assert.deepEqual(await Promise.all(names), ['100%.bin', '100%.bin', 'ü.bin']);
  });

  it('shows nobody what one logs in by, in the message or beside it', async () => {
    const secret = (error: unknown) => {
      assert.ok(error instanceof FetchError);
      assert.doesNotMatch(error.message + JSON.stringify(error.facts), /secret/);
      return true;
    };
    await assert.rejects(open({}, 'https://me:secret@example.org/train.bin'), secret);
    assert.equal(requests.length, 0);
    answers = [(_, response) => void response.writeHead(403).end()];
    await assert.rejects(open({}, `${server.base}/train.bin?signature=secret`), secret);
  });

  it('gives up after its attempts, and says why', async () => {
    answers = Array.from({ length: 3 }, (): Answer => (_, response) => void response.writeHead(500).end());
    await assert.rejects(open({ attempts: 3 }), { code: 'ERR_FETCH', message: /3 attempts, got the answer 500/ });
    assert.equal(requests.length, 3);
  });

  it('does not try again what stays: no ranges, no file, another version, a shorter file', async () => {
    const once =
      (code: number): Answer =>
      (_, response) =>
        void response.writeHead(code).end('x');
    for (const code of [200, 404, 403]) {
      answers = [once(code)];
      await assert.rejects(open(), { code: 'ERR_FETCH' });
    }
    assert.equal(requests.length, 3);
    const changed: Answer = (_, response, range) =>
      void beginRange(response, range, content.length, { etag: '"two"' }).end(content.subarray(...range));
    answers = [good, changed];
    await assert.rejects(read(0, 10), { code: 'ERR_FETCH', message: /has changed/ });
    answers = [good, once(416)];
    await assert.rejects(read(0, 10), { code: 'ERR_FETCH', message: /416/ });
  });

  it('ends what it waits for when its signal aborts: an opening, a pause, a read', async () => {
    const reason = new Error('enough');
    const aborting = (then: Answer): [AbortSignal, Answer] => {
      const controller = new AbortController();
      const answer: Answer = (...request) => {
        then(...request);
        controller.abort(reason);
      };
      return [controller.signal, answer];
    };
    const never: Answer = () => {};
    const busy: Answer = (_, response) => void response.writeHead(503).end();
    const cut: Answer = (_, response, range) =>
      void beginRange(response, range, content.length).write(content.subarray(0, 10));
    for (const kind of [never, busy, cut]) {
      const [signal, answer] = aborting(kind);
      answers = [answer];
      await assert.rejects(open({ signal, stallMs: 1e6, pauseMs: 1e6 }), reason);
      assert.equal(requests.length, 1);
      requests.length = 0;
    }
    const source = await open({ stallMs: 1e6, pauseMs: 1e6 });
    for (const kind of [never, busy, cut]) {
      const [signal, answer] = aborting(kind);
      answers = Array.from({ length: 4 }, () => answer);
      const reader = await source.open(signal);
      await assert.rejects(reader.read(0, 10_000), reason);
      const [early, first] = aborting(kind);
      answers = [first];
      await assert.rejects(localCopy(source, new DiskCache('whole', 1e6, folder.path), early), reason);
    }
    answers = [];
    assert.deepEqual(Buffer.from(await (await source.open()).read(0, 10_000)), content);
  });

  it('is read by samples() only as long as its signal and its consumer want', async () => {
    const rows = 1500; // 4.6 MB: two chunks
    const bytes = Buffer.alloc(rows * 3073);
    const serve: Answer = (request, response) => {
      const range = rangeOf(request, bytes.length);
      beginRange(response, range, bytes.length).end(bytes.subarray(...range));
    };
    const before = process.env['XDG_CACHE_HOME'];
    process.env['XDG_CACHE_HOME'] = folder.path;
    try {
      answers = [serve, serve]; // the version, the first chunk
      const opened = await corpus(`${server.base}/data_batch_1.bin`);
      assert.equal(opened.length, rows);
      const controller = new AbortController();
      const reason = new Error('enough');
      answers = [() => controller.abort(reason)];
      await assert.rejects(ids(opened.samples({ seed: 1, epochs: 1, signal: controller.signal })), reason);
      const stream = opened.samples({ seed: 1, epochs: 1 })[Symbol.asyncIterator]();
      const asked = new Promise<void>((resolve) => {
        answers = [() => resolve()];
      });
      const first = stream.next();
      await asked;
      await stream.return!();
      assert.deepEqual(await first, { done: true, value: undefined });
      answers = [serve];
      assert.equal((await ids(opened.samples({ seed: 1, epochs: 1 }))).length, rows);
    } finally {
      if (before === undefined) delete process.env['XDG_CACHE_HOME'];
      else process.env['XDG_CACHE_HOME'] = before;
    }
  });

  it('keeps its cache under the limit, and reads what was evicted again', async () => {
    const cache = new DiskCache('small', 3000, folder.path);
    assert.deepEqual(await read(0, 10_000, { cache, atOnce: 1 }), content);
    assert.deepEqual(await read(0, 10_000, { cache }), content);
  });

  it('copies a whole file', async () => {
    const copy = await localCopy(await open(), new DiskCache('whole', 1e6, folder.path));
    const reader = await copy.open();
    assert.deepEqual(Buffer.from(await reader.read(0, copy.bytes)), content);
    await reader.close();
  });

  it('signs requests to an S3-compatible store, and addresses buckets by path', async () => {
    const s3 = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret', region: 'eu-central-1', endpoint: server.base };
    const source = await open({ s3 }, 's3://bucket/some/train.tar');
    assert.equal(source.name, 'train.tar');
    assert.equal(requests[0]!.url, '/bucket/some/train.tar');
    assert.match(
      requests[0]!.headers.authorization ?? '',
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-central-1\/s3\/aws4_request/,
    );
    assert.equal(requests[0]!.headers['accept-encoding'], 'identity', 'as it was signed, or not at all: never twice');
    await open({ s3: { endpoint: server.base } }, 's3://bucket/public.tar');
    assert.equal(requests[1]!.headers.authorization, undefined);
  });
});
