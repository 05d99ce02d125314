import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { resumeDownload } from '../../../../src/engine/tensorflow/install/resume-download.ts';
import { FetchError } from '../../../../src/errors.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { type Behaviour, WheelServer } from './wheel-server.ts';

const bytes = Buffer.from(Array.from({ length: 10_000 }, (_, i) => (i * 7 + (i >> 8)) % 256));

describe('resumeDownload', () => {
  const folder = temporaryFolder();
  let server: WheelServer;
  const serve = async (...behaviours: Behaviour[]) => {
    server = await new WheelServer('a.whl', bytes, behaviours).listen();
    return { name: 'a.whl', url: server.url, sha256: server.sha256 };
  };
  const quick = { retrySeconds: 0 };
  /** Cuts connections when so many bytes of the file have arrived. */
  const cutting = (...places: number[]) => ({
    ...quick,
    onBytes: (arrived: number) => {
      if (places.includes(arrived)) server.cut();
    },
  });
  afterEach(() => server.close());

  it('goes on from where it was cut off', async () => {
    const file = await serve({ pauseAfter: 4000 }, { pauseAfter: 3000 }, 'whole');
    const path = await resumeDownload(file, folder(), cutting(4000, 7000));
    assert.equal(path, join(folder(), 'a.whl'));
    assert.deepEqual(await readFile(path), bytes);
    assert.deepEqual(server.ranges, ['', 'bytes=4000-', 'bytes=7000-']);
    assert.deepEqual(await readdir(folder()), ['a.whl']);
  });

  it('keeps what came when it gives up, and goes on from there the next time', async () => {
    const file = await serve({ pauseAfter: 6000 }, 'refuses');
    await assert.rejects(resumeDownload(file, folder(), cutting(6000)), (error) => {
      assert.ok(error instanceof FetchError);
      assert.match(error.message, /a\.whl was cut off after 0\.0 MB.*goes on from there/u);
      return true;
    });
    assert.equal(server.ranges.length, 6);
    server.behaviours.splice(0, 1, 'whole');
    server.ranges.length = 0;
    await resumeDownload(file, folder(), quick);
    assert.deepEqual(server.ranges, ['bytes=6000-']);
    assert.deepEqual(await readFile(join(folder(), 'a.whl')), bytes);
  });

  it('goes on after an abort', async () => {
    const file = await serve('whole');
    const abort = new AbortController();
    const stopped = resumeDownload(file, folder(), { signal: abort.signal, onBytes: () => abort.abort() });
    await assert.rejects(stopped, { name: 'AbortError' });
    await resumeDownload(file, folder(), quick);
    assert.deepEqual(await readFile(join(folder(), 'a.whl')), bytes);
  });

  it('begins anew where the server knows no ranges', async () => {
    const file = await serve({ pauseAfter: 4000 }, 'ignores ranges');
    await resumeDownload(file, folder(), cutting(4000));
    assert.deepEqual(server.ranges, ['', 'bytes=4000-']);
    assert.deepEqual(await readFile(join(folder(), 'a.whl')), bytes);
  });

  it('takes a part that is whole already', async () => {
    const file = await serve('whole');
    await writeFile(join(folder(), `${file.sha256}.part`), bytes);
    await resumeDownload(file, folder(), quick);
    assert.deepEqual(server.ranges, ['bytes=10000-']);
    assert.deepEqual(await readFile(join(folder(), 'a.whl')), bytes);
  });

  it('refuses what has another digest, and keeps none of it', async () => {
    const file = await serve('whole');
    await writeFile(join(folder(), `${file.sha256}.part`), Buffer.alloc(5000, 'other'));
    await assert.rejects(resumeDownload(file, folder(), quick), /sha256 .* expected .*damaged on the way/u);
    assert.deepEqual(await readdir(folder()), []);
    await resumeDownload(file, folder(), quick);
    assert.deepEqual(await readFile(join(folder(), 'a.whl')), bytes);
  });

  it('leaves a server that gives nothing to others', async () => {
    for (const behaviour of ['refuses', 'hangs'] as const) {
      const file = await serve(behaviour);
      assert.equal(await resumeDownload(file, folder(), { ...quick, idleSeconds: 0.05 }), undefined);
      server.close();
    }
  });

  it('tells how far it is', async () => {
    const file = await serve('whole');
    const told: [number, number][] = [];
    await resumeDownload(file, folder(), { ...quick, onBytes: (...each) => told.push(each) });
    assert.deepEqual(told.at(-1), [10_000, 10_000]);
    assert.ok(told.every(([done], i) => i === 0 || done > told[i - 1]![0]));
  });
});
