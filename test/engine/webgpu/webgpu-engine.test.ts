import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { conformanceLine } from '../../../src/engine/conformance/report.ts';
import { conformanceCases, runConformance } from '../../../src/engine/conformance/run-conformance.ts';
import type { Engine } from '../../../src/engine/engine.ts';
import { useEngine } from '../../../src/engine/use-engine.ts';
import { EngineError, OptionsError } from '../../../src/errors.ts';

/** Chromium's GPU in software, where its Debian package puts it; a VK_ICD_FILENAMES that is set goes before. */
const swiftShader = '/usr/lib/chromium/vk_swiftshader_icd.json';

const isEngineError = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof EngineError, String(error));
  assert.match(error.message, pattern);
  return true;
};

/** Makes a tensor that lies on the GPU: what is small and new may still be on the host. */
const onGpu = () => tf.tidy(() => tf.matMul(tf.ones([64, 64]), tf.ones([64, 64])));
const gpuDevice = (): GPUDevice => Reflect.get(tf.backend(), 'device');

describe('webgpuEngine', () => {
  it('refuses options that it does not know, before it loads anything', async () => {
    await assert.rejects(useEngine('webgpu', { adaptor: 'x' }), OptionsError);
    await assert.rejects(useEngine('webgpu', { powerPreference: 'most' }), OptionsError);
  });

  it('says that there is no such GPU, and what to do', async () => {
    const [backend, navigator] = [tf.getBackend(), Reflect.get(globalThis, 'navigator')];
    await assert.rejects(
      useEngine('webgpu', { adapter: 'no such GPU' }),
      isEngineError(/named `no such GPU`, found none.*wasm/),
    );
    assert.equal(tf.getBackend(), backend);
    assert.equal(Reflect.get(globalThis, 'navigator'), navigator);
  });
});

describe('webgpuEngine on a GPU', function () {
  this.timeout(180_000); // a GPU in software is slow, and slower where others use the processor
  const { VK_ICD_FILENAMES: driver } = process.env;
  let engine: Engine;

  before(async function () {
    if (driver === undefined && existsSync(swiftShader)) process.env['VK_ICD_FILENAMES'] = swiftShader;
    try {
      engine = await useEngine('webgpu');
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      // The reason stands in the list of what was skipped.
      this.test!.parent!.title += ` (skipped: ${error.message})`;
      this.skip();
    }
  });
  after(async () => {
    if (driver === undefined) delete process.env['VK_ICD_FILENAMES'];
    await useEngine('wasm');
  });

  it('computes, and describes the GPU', async () => {
    assert.match(engine.description, /^WebGPU on .+, tfjs 4\.22\.0$/);
    assert.equal(tf.getBackend(), 'webgpu');
    const product = onGpu();
    assert.ok((await product.data()).every((value) => value === 64));
    product.dispose();
  });

  it('refuses a synchronous read and names the other way', () => {
    const product = onGpu();
    assert.throws(() => product.dataSync(), isEngineError(/await tensor\.data\(\)/));
    product.dispose();
  });

  it('makes a tensor that does not fit an error at the next read', async () => {
    const { maxBufferSize } = gpuDevice().limits;
    const rows = Math.ceil(maxBufferSize / 4 / 2 ** 20) + 1;
    const column = tf.ones([rows, 1]);
    const tooLarge = tf.tidy(() => tf.mul(column, tf.ones([1, 2 ** 20])));
    const product = onGpu();
    await assert.rejects(product.data(), isEngineError(/no room for a tensor.*smaller batches/));
    const next = onGpu(); // what was handed to the GPU together with the tensor that did not fit may be lost with it
    assert.ok((await next.data()).every((value) => value === 64));
    tf.dispose([column, tooLarge, product, next]);
  });

  it('makes the read of a tensor that does not fit the same error, once', async () => {
    const { maxBufferSize } = gpuDevice().limits;
    const rows = Math.ceil(maxBufferSize / 4 / 2 ** 20) + 1;
    const column = tf.ones([rows, 1]);
    const tooLarge = tf.tidy(() => tf.mul(column, tf.ones([1, 2 ** 20])));
    await assert.rejects(tooLarge.data(), isEngineError(/no room for a tensor.*smaller batches/));
    const next = onGpu();
    assert.ok((await next.data()).every((value) => value === 64));
    tf.dispose([column, tooLarge, next]);
  });

  it('trains as the cpu engine does', async () => {
    const cases = conformanceCases.filter(({ name }) =>
      /^(matMul|softmax|transpose|addN|MLP, 10 steps of momentum)/.test(name),
    );
    assert.ok(cases.length > 11);
    for await (const result of runConformance(engine, cases)) {
      assert.equal(result.status, 'passed', conformanceLine(result));
    }
  });

  it('makes a lost GPU an error at the next read, and starts again', async () => {
    const product = onGpu();
    gpuDevice().destroy();
    await assert.rejects(product.data(), isEngineError(/was lost \(destroyed.*useEngine\('webgpu'\)/));
    product.dispose();
    engine = await useEngine('webgpu');
    const again = onGpu();
    assert.ok((await again.data()).every((value) => value === 64));
    again.dispose();
  });
});
