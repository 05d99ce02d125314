import * as tf from '@tensorflow/tfjs';

/** What a kernel gets, with attributes always there. */
export interface KernelCall {
  readonly inputs: tf.NamedTensorInfoMap;
  readonly attrs: tf.NamedAttrMap;
  readonly backend: object;
}
type KernelResult = tf.TensorInfo | tf.TensorInfo[];

/** A kernel for the `wasm` backend. `stock` is the one that it takes the place of: call it for what ours leaves out. */
export interface WasmKernel {
  readonly kernelName: string;
  readonly kernelFunc: (call: KernelCall, stock: (call: KernelCall) => KernelResult) => KernelResult;
}

const replaced = new Set<string>();

/** Registers kernels for the `wasm` backend, in place of its own where it has them. Registering twice changes nothing. */
export function registerWasmKernels(kernels: readonly WasmKernel[]): void {
  for (const { kernelName, kernelFunc } of kernels) {
    if (replaced.has(kernelName)) continue;
    replaced.add(kernelName);
    const own = tf.getKernel(kernelName, 'wasm');
    const stock = (call: KernelCall): KernelResult => {
      if (!own) throw new TypeError(`wasm: ${kernelName} is not there for these types.`);
      return own.kernelFunc({ inputs: call.inputs, attrs: call.attrs, backend: call.backend });
    };
    if (own) tf.unregisterKernel(kernelName, 'wasm');
    tf.registerKernel({
      kernelName,
      backendName: 'wasm',
      // The backend's own setup still has to run when it is made anew: `stock` calls what it sets up.
      ...(own?.setupFunc && { setupFunc: own.setupFunc }),
      ...(own?.disposeFunc && { disposeFunc: own.disposeFunc }),
      kernelFunc: ({ inputs, attrs = {}, backend }) => kernelFunc({ inputs, attrs, backend }, stock),
    });
  }
}
