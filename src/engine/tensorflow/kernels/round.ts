import type { TensorflowBackend } from '../backend.ts';
import { registerKernel } from './override.ts';

/** Rounds as tfjs-node's kernel does, but for int32: TensorFlow 2.21 has an operation for them that gives zeros. */
export function registerRound(backend: TensorflowBackend): void {
  registerKernel(backend, 'Round', (run, { x }) => (x?.dtype === 'int32' ? run('Identity', [x]) : undefined));
}
