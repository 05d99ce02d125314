import * as tf from '@tensorflow/tfjs';
import { version_wasm } from '@tensorflow/tfjs-backend-wasm';
import { EngineError } from '../../errors.ts';
import type { Engine } from '../engine.ts';
import { heapOf, kernelBuild } from './heap.ts';
import { registerWasmLayers } from './recurrent.ts';
import { trainingKernels } from './training-kernels.ts';
import { replaceKernels } from '../replace-kernels.ts';
import { compileWithinTidy } from '../within-tidy.ts';

/** Activates the WASM backend with our training kernels. */
export async function wasmEngine(): Promise<Engine> {
  await activateBackend();
  const build = kernelBuild();
  if (build) {
    // Links our kernels now: what does not fit should fail here, and not in the middle of a step.
    heapOf(tf.backend());
    replaceKernels('wasm', trainingKernels);
    registerWasmLayers();
  }
  const kernels = build ? `training kernels with ${build.name}` : 'stock kernels only: no SIMD here';
  return {
    name: 'wasm',
    description: `WebAssembly, tfjs-backend-wasm ${version_wasm}, one thread, ${kernels}`,
    compile: compileWithinTidy,
  };
}

async function activateBackend(): Promise<void> {
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  const before = events.map((event) => process.rawListeners(event));
  // The backend reports a failed start as false and a warning, which the error below replaces.
  const works = await tf.setBackend('wasm').catch(() => false);
  events.forEach((event, i) => dropListenersSince(event, before[i] ?? []));
  if (works) return;
  throw new EngineError(
    'wasm: the TensorFlow.js WASM backend did not start. Reinstall `@tensorflow/tfjs-backend-wasm`, or use the engine `cpu`.',
  );
}

/**
 * Takes away the listeners that Emscripten added while it loaded: they throw every uncaught error anew, so that a
 * program's own handlers would end it with exit code 7.
 */
function dropListenersSince(event: 'uncaughtException' | 'unhandledRejection', before: readonly unknown[]): void {
  for (const listener of process.rawListeners(event)) {
    // removing needs the function's identity only
    if (!before.includes(listener)) process.removeListener(event, listener as () => void);
  }
}
