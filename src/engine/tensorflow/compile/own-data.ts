import * as tf from '@tensorflow/tfjs';
import type { TensorflowBackend } from '../backend.ts';
import type { TensorMetadata } from '../binding/ops.ts';

/** Makes `data`, which it takes over, the data of a variable. */
export function giveData(backend: TensorflowBackend, variable: tf.Variable, data: TensorMetadata): void {
  const made = backend.tensors.tensorOf(data);
  const engine = tf.engine();
  engine.disposeTensor(variable);
  variable.dataId = made.dataId;
  engine.incRef(variable, backend);
  made.dispose();
}

/**
 * Gives each variable data of its own, where it shares some: after `a.assign(tf.clone(b))` both have the same, and a trace,
 * which knows variables by their data, could not tell them apart. Nothing is copied: the numbers themselves stay shared.
 */
export function separateVariables(backend: TensorflowBackend): void {
  for (const variable of Object.values(tf.engine().state.registeredVariables)) {
    if (!isShared(variable)) continue;
    const entry = backend.tensors.entryHere(variable.dataId);
    if (!entry) continue;
    const [same] = backend.engineBinding.executeOp('Identity', [], [backend.tensors.uploadedId(entry)], 1);
    if (same) giveData(backend, variable, same);
  }
}

/** Whether another tensor has the same data, on whichever backend it lies. */
function isShared({ dataId }: tf.Variable): boolean {
  const { backend } = tf.engine().state.tensorInfo.get(dataId) ?? {};
  return backend !== undefined && backend.refCount(dataId) > 1;
}
