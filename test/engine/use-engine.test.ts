import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { EngineError, OptionsError } from '../../src/errors.ts';
import { compile } from '../../src/engine/compile.ts';
import type { EngineName } from '../../src/engine/engine.ts';
import { activeEngine, useEngine } from '../../src/engine/use-engine.ts';

/** Runs a module in a process of its own. */
const run = async (source: string) =>
  promisify(execFile)(process.execPath, ['--import', 'tsx', '--input-type', 'module', '--eval', source]);
const errorsPath = JSON.stringify(new URL('../../src/errors.ts', import.meta.url).href);
const modulePath = JSON.stringify(new URL('../../src/engine/use-engine.ts', import.meta.url).href);

describe('useEngine', () => {
  for (const name of ['cpu', 'wasm'] as const) {
    it(`activates ${name} and describes it`, async () => {
      const engine = await useEngine(name);
      assert.equal(tf.getBackend(), name);
      assert.equal(engine.name, name);
      assert.equal(activeEngine(), engine);
      assert.match(engine.description, /4\.22\.0/);
    });

    it(`says nothing on its own when it starts ${name} and computes`, async () => {
      const { stdout, stderr } = await run(`
        import * as tf from '@tensorflow/tfjs';
        const { useEngine } = await import(${modulePath});
        await useEngine('${name}');
        console.log(tf.matMul(tf.ones([2, 3]), tf.ones([2, 3]), false, true).arraySync().join(' '));`);
      assert.deepEqual([stdout, stderr], ['3,3 3,3\n', '']);
    }).timeout(30_000);
  }

  it('takes tensorflow for auto where it is installed, with the options given, and wasm elsewhere', async () => {
    const { stdout } = await run(`
      const { registerEngine, useEngine } = await import(${modulePath});
      registerEngine('tensorflow', { isInstalled: () => false, start: () => process.exit(1) });
      const wasm = await useEngine('auto');
      const start = async (options) => (console.log(JSON.stringify(options)), { ...wasm, name: 'tensorflow' });
      registerEngine('tensorflow', { isInstalled: async () => true, start });
      console.log(wasm.name, (await useEngine('auto', { threads: 2 })).name);`);
    assert.equal(stdout, '{"threads":2}\nwasm tensorflow\n');
  }).timeout(30_000);

  it('passes over an engine that does not start for auto, and says why', async () => {
    const { stdout } = await run(`
      const { registerEngine, useEngine } = await import(${modulePath});
      const { EngineError } = await import(${errorsPath});
      registerEngine('tensorflow', { start: () => Promise.reject(new EngineError('driver too old')) });
      const { name, description } = await useEngine('auto', { threads: 2 });
      console.log(name, description.endsWith('; tensorflow did not start: driver too old'));`);
    assert.equal(stdout, 'wasm true\n');
  }).timeout(30_000);

  it('refuses a name that is no engine, and says which are', async () => {
    // @ts-expect-error: the type refuses it too
    await assert.rejects(useEngine('gpu'), (error: unknown) => {
      assert.ok(error instanceof EngineError);
      assert.match(error.message, /`tensorflow`, `webgpu`, `wasm`, `cpu`, `auto`, got `gpu`/);
      return true;
    });
  });

  it('refuses options that the engine does not know', async () => {
    for (const name of ['wasm', 'cpu'] as EngineName[]) {
      await assert.rejects(useEngine(name, { thraeds: 2 }), OptionsError);
    }
  });

  it('leaves no listeners for uncaught errors behind', async () => {
    const { stdout } = await run(`
      const { useEngine } = await import(${modulePath});
      await useEngine('wasm');
      console.log(process.listenerCount('uncaughtException'), process.listenerCount('unhandledRejection'));`);
    assert.equal(stdout, '0 0\n');
  }).timeout(30_000);
});

describe('Engine.compile', () => {
  for (const name of ['cpu', 'wasm'] as const) {
    it(`runs a step on ${name} and leaves nothing but its result`, async () => {
      const engine = await useEngine(name);
      const tensors = tf.memory().numTensors;
      const step = engine.compile(({ x }: { x: tf.Tensor }, scale: tf.Scalar) => ({
        y: [x.mul(scale).add(1)],
        x: x.square(),
      }));
      const [x, scale] = [tf.tensor1d([1, 2]), tf.scalar(3)];
      const result = step({ x }, scale);
      assert.equal(tf.memory().numTensors, tensors + 4);
      assert.deepEqual(Array.from(result.y[0]!.dataSync()), [4, 7]);
      assert.deepEqual(Array.from(result.x.dataSync()), [1, 4]);
      tf.dispose([x, scale, result.x, ...result.y]);
      assert.equal(tf.memory().numTensors, tensors);
    });
  }

  it('takes the options of engines that compile, and refuses unknown ones', async () => {
    const double = (x: tf.Tensor) => x.mul(2);
    const engine = await useEngine('wasm');
    tf.tidy(() => {
      const ofEngine: typeof compile = (step, options) => engine.compile(step, options);
      for (const make of [ofEngine, compile]) {
        assert.equal(make(double, { xla: true, signatures: 2, seed: 1 })(tf.scalar(3)).dataSync()[0], 6);
        // @ts-expect-error: a misspelt option
        assert.throws(() => make(double, { jit: true }), OptionsError);
        assert.throws(() => make(double, { signatures: 0 }), OptionsError);
      }
    });
  });

  it('lets an error of the step through and leaves nothing behind', async () => {
    const engine = await useEngine('wasm');
    const tensors = tf.memory().numTensors;
    const step = engine.compile((): tf.Tensor => {
      tf.ones([2]);
      throw new RangeError('no');
    });
    assert.throws(step, RangeError);
    assert.equal(tf.memory().numTensors, tensors);
  });
});
