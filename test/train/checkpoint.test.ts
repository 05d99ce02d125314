import assert from 'node:assert/strict';
import { mkdtemp, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { listCheckpoints, readCheckpoint, takeCheckpoint, writeCheckpoint } from '../../src/train/checkpoint.ts';

const at = (step: number) => ({
  tensors: { 'lstm/kernel': { shape: [2, 1], data: Float32Array.of(step, -0.5) } },
  state: {
    step,
    gate: { tau: 1.25, isOpen: false },
    rng: [1, -2, 3, 2 ** 31],
    table: Float64Array.of(Math.PI),
    seen: 2 ** 40,
  },
});

describe('writeCheckpoint', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'taustream-checkpoint-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('is read back whole', async () => {
    const path = await writeCheckpoint(folder, at(12));
    assert.equal(path, join(folder, 'step-0000000012'));
    const { tensors, state, damaged } = await readCheckpoint(folder);
    assert.deepEqual({ tensors, state, damaged }, { ...at(12), damaged: [] });
  });

  it('keeps the last two and leaves nothing temporary behind', async () => {
    await mkdir(join(folder, '.step-0000000001-killed.tmp'));
    for (const step of [9, 10, 11]) await writeCheckpoint(folder, at(step));
    assert.deepEqual(await readdir(folder), ['step-0000000010', 'step-0000000011']);
    await writeCheckpoint(folder, at(12), { keep: 1 });
    assert.deepEqual(await readdir(folder), ['step-0000000012']);
  });

  it('writes one step again in place', async () => {
    await writeCheckpoint(folder, at(3));
    await writeCheckpoint(folder, { ...at(3), state: { step: 3, again: true } });
    assert.deepEqual((await readCheckpoint(folder)).state, { step: 3, again: true });
    assert.equal((await listCheckpoints(folder)).length, 1);
  });

  it('says where it cannot write', async () => {
    await writeFile(join(folder, 'file'), '');
    await assert.rejects(writeCheckpoint(join(folder, 'file'), at(1)), {
      code: 'ERR_RUN',
      message: /step-0000000001: cannot write the checkpoint: /,
    });
  });
});

describe('readCheckpoint', () => {
  let folder: string;
  const file = (step: number, name: string) => join(folder, `step-${String(step).padStart(10, '0')}`, name);
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'taustream-checkpoint-'));
    for (const step of [1, 2]) await writeCheckpoint(folder, at(step));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const damages: Record<string, () => Promise<void>> = {
    'a flipped byte in the tensors': async () => {
      const bytes = await readFile(file(2, 'tensors.safetensors'));
      bytes[bytes.length - 1]! ^= 1;
      await writeFile(file(2, 'tensors.safetensors'), bytes);
    },
    'a state cut short': () => truncate(file(2, 'state.msgpack'), 5),
    'a state of another step': async () =>
      writeFile(file(2, 'state.msgpack'), await readFile(file(1, 'state.msgpack'))),
    'a missing file': () => rm(file(2, 'tensors.safetensors')),
    'a missing seal': () => rm(file(2, 'checkpoint.json')),
    'a seal of another step': async () =>
      writeFile(file(2, 'checkpoint.json'), await readFile(file(1, 'checkpoint.json'))),
    'a seal that is not JSON': () => writeFile(file(2, 'checkpoint.json'), '{'),
  };
  for (const [what, damage] of Object.entries(damages))
    it(`passes over ${what} for the checkpoint before`, async () => {
      await damage();
      const read = await readCheckpoint(folder);
      assert.equal(read.state['step'], 1);
      assert.deepEqual(read.tensors, at(1).tensors);
      assert.equal(read.damaged.length, 1);
      assert.match(read.damaged[0]!.message, /step-0000000002.*Take another checkpoint\.$/);
    });

  it('names the file when every checkpoint is damaged', async () => {
    await truncate(file(1, 'tensors.safetensors'), 20);
    await truncate(file(2, 'tensors.safetensors'), 20);
    await assert.rejects(readCheckpoint(folder), {
      code: 'ERR_RUN',
      message: /each of the 2 checkpoints is damaged; the newest: .*tensors\.safetensors: expected the sha256/,
    });
  });

  it('says so when there is none', async () => {
    await assert.rejects(readCheckpoint(join(folder, 'nowhere')), {
      code: 'ERR_RUN',
      message: /expected a checkpoint/,
    });
  });
});

describe('takeCheckpoint', () => {
  it('holds the values of the moment it was asked for, though training goes on', async () => {
    await tf.setBackend('cpu');
    const before = tf.memory().numTensors;
    const weight = tf.tidy(() => tf.variable(tf.tensor1d([1, 2])));
    const state = { step: 1, rng: [1, 2] };
    const taken = takeCheckpoint({ tensors: { weight }, state });
    tf.tidy(() => weight.assign(tf.tensor1d([8, 9])));
    state.rng[0] = 7;
    assert.deepEqual(await taken, {
      tensors: { weight: { shape: [2], data: Float32Array.of(1, 2) } },
      state: { step: 1, rng: [1, 2] },
    });
    weight.dispose();
    assert.equal(tf.memory().numTensors, before);
  });
});
