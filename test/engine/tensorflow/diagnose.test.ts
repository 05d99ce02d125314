import assert from 'node:assert/strict';
import { temporaryFolder } from './install/temporary-folder.ts';
import { checkMachine, diagnose, type Machine } from '../../../src/engine/tensorflow/diagnose.ts';

const machine: Machine = {
  platform: 'linux',
  arch: 'x64',
  nodeVersion: '24.1.0',
  glibc: '2.36',
  cpuFeatures: ['avx', 'avx2'],
  cores: 8,
  memoryBytes: 16e9,
  freeMemoryBytes: 8e9,
  freeDiskBytes: 50e9,
  packageClient: 'pip',
  driver: undefined,
  installations: [],
  cacheDir: '/cache',
};

describe('checkMachine', () => {
  it('passes a good machine on which nothing is installed but for the installation', async () => {
    const checks = await checkMachine(machine);
    assert.deepEqual(
      checks.filter(({ ok }) => !ok).map(({ name, remedy }) => [name, remedy]),
      [['TensorFlow', 'Run `npx taustream engine install`.']],
    );
  });

  for (const [what, change, name, detail] of [
    ['an old Node', { nodeVersion: '18.2.0' }, 'Node', /18\.2\.0, expected 20\.19/u],
    ['an unsupported platform', { platform: 'win32' }, 'platform', /win32 x64/u],
    ['an old glibc', { glibc: '2.17' }, 'C library', /2\.17, expected 2\.27/u],
    ['musl', { glibc: undefined }, 'C library', /not glibc/u],
    ['a CPU without AVX', { cpuFeatures: ['sse2'] }, 'CPU', /no AVX/u],
    ['too little memory', { freeMemoryBytes: 3e8 }, 'memory', /0\.3 GB free/u],
    ['no pip', { packageClient: undefined }, 'pip or uv', /neither/u],
    ['a full disk', { freeDiskBytes: 1e8 }, 'disk', /0\.1 GB free/u],
    ['a cache that cannot be written', { freeDiskBytes: undefined }, 'disk', /cannot be written/u],
    ['a GPU without the CUDA build', { driver: '550.1' }, 'GPU', /CUDA build is not installed/u],
  ] as const) {
    it(`finds ${what} and says what to do`, async () => {
      const check = (await checkMachine({ ...machine, ...change })).find((found) => found.name === name);
      assert.equal(check?.ok, false);
      assert.match(check.detail, detail);
      assert.ok((check.remedy ?? '').length > 10);
    });
  }

  it('examines driver and cuDNN where the CUDA build is installed', async () => {
    const manifest = { version: '2.21.0', variant: 'cuda', wheel: '', framework: '', main: '', files: {} } as const;
    const files = { framework: '', main: '' };
    const without = { folder: '/nowhere', files, manifest: { ...manifest, before: [] } };
    const checks = await checkMachine({ ...machine, driver: '470.57', installations: [without] });
    assert.deepEqual(
      checks.filter(({ ok }) => !ok).map(({ name }) => name),
      ['GPU driver', 'cuDNN'],
    );
  });
});

describe('diagnose', () => {
  const cacheDir = temporaryFolder();

  it('describes this machine, each failure with a remedy', async () => {
    const checks = await diagnose(cacheDir());
    assert.ok(checks.length >= 6);
    for (const { ok, remedy } of checks) assert.equal(ok, remedy === undefined);
  });
});
