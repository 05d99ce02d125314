import type { TensorflowBackend } from '../backend.ts';
import { registerActivationGradients } from './activation-gradients.ts';
import { registerBatchNorm } from './batch-norm.ts';
import { registerCrossEntropy } from './cross-entropy.ts';
import { registerDrawRows } from './draw-rows.ts';
import { registerBias } from './bias.ts';
import { registerGather } from './gather.ts';
import { registerRound } from './round.ts';

/** Puts the engine's kernels and gradients in the place of tfjs-node's and TensorFlow.js' slower ones. Once a process. */
export function registerKernels(backend: TensorflowBackend): void {
  registerGather(backend);
  registerRound(backend);
  registerBias(backend);
  registerBatchNorm(backend);
  registerCrossEntropy(backend);
  registerDrawRows(backend);
  registerActivationGradients(backend);
}
