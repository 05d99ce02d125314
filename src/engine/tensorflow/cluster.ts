import type * as tf from '@tensorflow/tfjs';
import type { TensorflowBackend } from './backend.ts';
import { joinCluster as join, type AbortHandle, type ClusterDefinition } from './binding/cluster.ts';
import { dataTypes } from './binding/data-types.ts';
import type { LibraryFiles } from './binding/library.ts';
import { registerKernel, runKernel } from './kernels/override.ts';

export type { AbortHandle, ClusterDefinition } from './binding/cluster.ts';

/** How the members of a cluster wait for each other. */
export interface ClusterOptions extends ClusterDefinition {
  /** Seconds after which an operation gives up waiting for the others. */
  readonly timeoutSeconds: number;
}

/** The processes that compute sums together. */
export interface Cluster {
  /**
   * The sum of every member's tensor, the same bits for each; within a compiled step, too.
   *
   * @param instance tells sums apart: all members call the same ones in the same order, with tensors of the same shape
   * @returns owned by the caller
   * @throws {EngineError} when another member does not take part
   */
  sum(this: void, tensor: tf.Tensor, instance: number): tf.Tensor;
  readonly abortHandle: AbortHandle;
}

const KERNEL = 'ClusterSum';
/** One group of all members: TensorFlow tells groups apart by a number. */
const GROUP = 1;

/** Joins a cluster, and makes its sum a kernel. Once a process: TensorFlow cannot leave. */
export function joinCluster(backend: TensorflowBackend, files: LibraryFiles, options: ClusterOptions): Cluster {
  const { engineBinding, tensors } = backend;
  join(engineBinding, options);
  const { addresses, timeoutSeconds } = options;
  const attributes = [
    { name: 'T', value: dataTypes.float32 },
    { name: 'merge_op', value: 'Add' },
    { name: 'final_op', value: 'Id' },
    { name: 'communication_hint', value: engineBinding.context.isGpu ? 'nccl' : 'ring' },
    { name: 'timeout_seconds', value: timeoutSeconds },
    { name: 'Nordering_token', value: 0 },
  ];
  const scalar = (value: number) => engineBinding.createTensor([], dataTypes.int32, [value]);
  registerKernel(backend, KERNEL, (_, { x }, { instance }) => {
    const settings = [addresses.length, GROUP, Number(instance)].map(scalar);
    try {
      const [summed] = engineBinding.executeOp('CollectiveReduceV2', attributes, [tensors.idOf(x!), ...settings], 1);
      if (!summed) throw new RangeError(`${KERNEL} gave no output.`);
      return tensors.tensorOf(summed);
    } finally {
      for (const setting of settings) engineBinding.deleteTensor(setting);
    }
  });
  return {
    sum: (tensor, instance) => runKernel(KERNEL, { x: tensor }, { instance }),
    abortHandle: { context: engineBinding.context.pointer, files },
  };
}
