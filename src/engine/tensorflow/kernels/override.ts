import * as tf from '@tensorflow/tfjs';
import type { TensorflowBackend } from '../backend.ts';
import type { Attribute } from '../binding/attributes.ts';

/** Runs one TensorFlow operation as part of a kernel. */
export type RunOp = (name: string, inputs: readonly tf.TensorInfo[], attributes?: readonly Attribute[]) => tf.Tensor;

/** A kernel's inputs by name, all present. */
export type KernelInputs = Readonly<Record<string, tf.TensorInfo>>;

/**
 * Registers a kernel for the engine. A kernel of that name that is there already is replaced.
 *
 * @param compute gives the result, or `undefined` to leave a case to the kernel that was there
 */
export function registerKernel(
  backend: TensorflowBackend,
  kernelName: string,
  compute: (run: RunOp, inputs: KernelInputs, attributes: tf.NamedAttrMap) => tf.TensorInfo | undefined,
): void {
  const before = tf.getKernel(kernelName, 'tensorflow');
  if (before) tf.unregisterKernel(kernelName, 'tensorflow');
  const run: RunOp = (name, inputs, attributes = []) => {
    const outputs = backend.engineBinding.executeOp(
      name,
      attributes,
      inputs.map((input) => backend.tensors.idOf(input)),
      1,
    );
    const [output] = outputs;
    if (!output) throw new RangeError(`${name} gave no output.`);
    return backend.tensors.tensorOf(output);
  };
  tf.registerKernel({
    kernelName,
    backendName: 'tensorflow',
    kernelFunc: (parameters) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- TensorFlow.js types inputs as possibly absent
      const made = compute(run, parameters.inputs as KernelInputs, parameters.attrs ?? {});
      if (made) return made;
      if (before) return before.kernelFunc(parameters);
      throw new RangeError(`${kernelName} has no kernel for these inputs.`);
    },
  });
}

/** Registers a kernel of the engine's own with several outputs. */
export function registerManyOutputs(
  backend: TensorflowBackend,
  kernelName: string,
  compute: (
    run: (
      name: string,
      inputs: readonly tf.TensorInfo[],
      attributes: readonly Attribute[],
      outputs: number,
    ) => tf.Tensor[],
    inputs: KernelInputs,
    attributes: tf.NamedAttrMap,
  ) => tf.TensorInfo[],
): void {
  const { engineBinding, tensors } = backend;
  tf.registerKernel({
    kernelName,
    backendName: 'tensorflow',
    kernelFunc: ({ inputs, attrs }) =>
      compute(
        (name, operands, attributes, outputs) =>
          engineBinding
            .executeOp(
              name,
              attributes,
              operands.map((operand) => tensors.idOf(operand)),
              outputs,
            )
            .map((output) => tensors.tensorOf(output)),
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- TensorFlow.js types inputs as possibly absent
        inputs as KernelInputs,
        attrs ?? {},
      ),
  });
}

/** The derivative of a kernel with respect to each of its inputs. */
export type Derivatives = Record<string, () => tf.Tensor>;

/**
 * Replaces a kernel's gradient where the engine is active; other engines keep theirs.
 *
 * @param derive gives derivatives, or `undefined` to leave a case to the gradient that was there
 */
export function replaceGradient(
  kernelName: string,
  derive: (dy: tf.Tensor, saved: readonly tf.Tensor[], original: () => Derivatives) => Derivatives,
  saving: Partial<Pick<tf.GradConfig, 'inputsToSave' | 'outputsToSave'>> = {},
): void {
  const before = tf.getGradient(kernelName);
  tf.unregisterGradient(kernelName);
  tf.registerGradient({
    ...before,
    ...saving,
    gradFunc: (dy, saved, attributes) => {
      const original = () => before.gradFunc(dy, saved, attributes);
      // one gradient of one output: none of the kernels replaced here has several
      return tf.getBackend() === 'tensorflow' && !Array.isArray(dy) ? derive(dy, saved, original) : original();
    },
  });
}

/** Runs a kernel of several outputs by name. */
export function runManyOutputs(
  name: string,
  inputs: Readonly<Record<string, tf.Tensor>>,
  attributes: tf.NamedAttrMap = {},
): tf.Tensor[] {
  const outputs = tf.engine().runKernel(name, inputs, attributes);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- kernels of several outputs give lists
  return outputs as tf.Tensor[];
}

/** Runs a kernel by name, so that gradients of gradients see it. */
export function runKernel(
  name: string,
  inputs: Readonly<Record<string, tf.Tensor>>,
  attributes: tf.NamedAttrMap = {},
): tf.Tensor {
  const output = tf.engine().runKernel(name, inputs, attributes);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all our kernels have one output
  return output as tf.Tensor;
}
