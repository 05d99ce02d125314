import type { WebGPUBackend, WebGPUProgram } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs';
import type { Kernel, KernelCall } from '../replace-kernels.ts';

/**
 * Lets the backend transpose whole numbers and booleans, too: its shader hands them to the function that takes `f32`, which
 * the GPU's compiler refuses; the shader has another for `i32`. Other kernels of the backend call that one past the registry,
 * so the backend itself is mended.
 */
export function mendTransposes(backend: WebGPUBackend): void {
  const run = backend.runWebGPUProgram.bind(backend);
  // a tensor cast from booleans to floats still lies in their buffer: its type counts, not the tensor's
  const liesInIntegers = (input?: tf.TensorInfo) => input && backend.tensorMap.get(input.dataId).dtype !== 'float32';
  backend.runWebGPUProgram = (program, inputs, ...rest) => {
    const mends = program.shaderKey.startsWith('transpose') && liesInIntegers(inputs[0]);
    return run(mends ? writingIntegers(program) : program, inputs, ...rest);
  };
}

/** The program with the function that writes `i32` in place of the one that writes `f32`. */
function writingIntegers(program: WebGPUProgram): WebGPUProgram {
  const code = program.getUserCode.bind(program);
  return Object.assign(program, {
    getUserCode: () => code().replaceAll('setOutputAtIndex(', 'setOutputAtIndexI32(').replaceAll('f32', 'i32'),
  });
}

/** Adds as many tensors at a time as a shader may read; the backend hands it all of them, which the GPU refuses. */
const addN: Kernel = {
  kernelName: tf.AddN,
  kernelFunc(call, stock) {
    const backend = call.backend as WebGPUBackend; // as its own kernels are called
    const atOnce = backend.device.limits.maxStorageBuffersPerShaderStage - 1; // one is written to
    const add = (tensors: readonly tf.TensorInfo[]) => {
      // this kernel takes a list, which TensorFlow.js types as a record
      const sum = stock({ ...call, inputs: tensors as unknown as KernelCall['inputs'] });
      if (Array.isArray(sum)) throw new TypeError('AddN: expected one tensor.');
      return sum;
    };
    // TensorFlow.js types inputs as possibly absent
    const tensors = Object.values(call.inputs).filter((tensor) => tensor !== undefined);
    let sum = add(tensors.slice(0, atOnce));
    for (let i = atOnce; i < tensors.length; i += atOnce - 1) {
      const before = sum;
      sum = add([before, ...tensors.slice(i, i + atOnce - 1)]);
      backend.disposeData(before.dataId);
    }
    return sum;
  },
};

export const webgpuKernels: readonly Kernel[] = [addN];
