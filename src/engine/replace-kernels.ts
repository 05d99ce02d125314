import * as tf from '@tensorflow/tfjs';

/** What a kernel gets, with attributes always there. */
export interface KernelCall {
  readonly inputs: tf.NamedTensorInfoMap;
  readonly attrs: tf.NamedAttrMap;
  readonly backend: object;
}
type KernelResult = tf.TensorInfo | tf.TensorInfo[];

/** A kernel of ours. `stock` is the backend's own, whose place it takes: call it for what ours leaves out. */
export interface Kernel {
  readonly kernelName: string;
  readonly kernelFunc: (call: KernelCall, stock: (call: KernelCall) => KernelResult) => KernelResult;
}

const replaced = new Set<string>();

/** Registers kernels for a backend, in place of its own where it has them. Registering twice changes nothing. */
export function replaceKernels(backendName: string, kernels: readonly Kernel[]): void {
  for (const { kernelName, kernelFunc } of kernels) {
    const name = `${backendName} ${kernelName}`;
    if (replaced.has(name)) continue;
    replaced.add(name);
    const own = tf.getKernel(kernelName, backendName);
    const stock = (call: KernelCall): KernelResult => {
      if (!own) throw new TypeError(`${backendName}: ${kernelName} is not there for these types.`);
      return own.kernelFunc({ inputs: call.inputs, attrs: call.attrs, backend: call.backend });
    };
    if (own) tf.unregisterKernel(kernelName, backendName);
    tf.registerKernel({
      kernelName,
      backendName,
      // The backend's own setup still has to run when it is made anew: `stock` calls what it sets up.
      ...(own?.setupFunc && { setupFunc: own.setupFunc }),
      ...(own?.disposeFunc && { disposeFunc: own.disposeFunc }),
      kernelFunc: ({ inputs, attrs = {}, backend }) => kernelFunc({ inputs, attrs, backend }, stock),
    });
  }
}
