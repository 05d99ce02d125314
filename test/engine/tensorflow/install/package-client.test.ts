import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { findPackageClient, type PackageClient } from '../../../../src/engine/tensorflow/install/package-client.ts';
import { FetchError } from '../../../../src/errors.ts';
import { fileNameOf, tinyTensorflow, wheelBytes } from './fake-wheel.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { type Behaviour, WheelServer } from './wheel-server.ts';

const request = { requirement: 'tensorflow-cpu==2.21.0', platforms: ['manylinux_2_27_x86_64'] };
const wheel = wheelBytes(tinyTensorflow());

describe('packageClient', function () {
  this.timeout(120_000); // each test starts pip
  const folder = temporaryFolder();
  const environment = { ...process.env };
  let client: PackageClient;
  let server: WheelServer;

  before(async function () {
    const found = await findPackageClient();
    if (!found) return this.skip(); // there is no pip on this machine
    client = found;
  });
  afterEach(() => {
    server.close();
    process.env = { ...environment };
  });

  const serve = async (...behaviours: Behaviour[]) => {
    server = await new WheelServer(fileNameOf(tinyTensorflow()), wheel, behaviours).listen();
    const asked = { PIP_INDEX_URL: server.index, PIP_FIND_LINKS: '', PIP_NO_CACHE_DIR: '1', PIP_RETRIES: '0' };
    Object.assign(process.env, {
      ...asked,
      PIP_CONFIG_FILE: '/dev/null',
      NO_PROXY: '127.0.0.1',
      no_proxy: '127.0.0.1',
    });
  };

  it('goes on with a download that was cut off, at the address that pip names', async () => {
    // pip is stopped when it has asked for the file
    await serve({ pauseAfter: 10 }, { pauseAfter: 2000 }, 'whole');
    const onBytes = (bytes: number) => {
      if (bytes === 2000) server.cut();
    };
    const file = await client.download({ ...request, onBytes }, folder());
    assert.deepEqual(await readFile(file), wheel);
    assert.equal(basename(file), server.name);
    assert.equal(server.ranges.at(-1), 'bytes=2000-');
    assert.deepEqual(await readdir(folder()), [server.name]);
  });

  it('leaves it to pip where the index tells no digest', async () => {
    await serve('whole');
    server.tellsDigest = false;
    const file = await client.download(request, folder());
    assert.deepEqual(await readFile(file), wheel);
    assert.deepEqual(server.ranges, ['']);
  });

  it('says what pip says when there is no such wheel', async () => {
    await serve('whole');
    await assert.rejects(client.download({ ...request, requirement: 'tensorflow-cpu==9.9.9' }, folder()), (error) => {
      assert.ok(error instanceof FetchError);
      assert.match(error.message, /download tensorflow-cpu==9\.9\.9: .*No matching distribution.*--wheel FILE/u);
      return true;
    });
    assert.deepEqual(await readdir(folder()), []);
  });
});
