import * as tf from '@tensorflow/tfjs';
import { heapOf } from './heap.ts';
import { matMul } from './mat-mul.ts';
import type { Kernel } from '../replace-kernels.ts';

/** An operand while it is worked on, its axes named by one letter each. */
interface Operand {
  readonly labels: string;
  readonly tensor: tf.TensorInfo;
}

/** Runs kernels of the backend one after the other and keeps the books on what lies between. */
class Chain {
  readonly #backend: object;
  readonly #made: tf.TensorInfo[] = [];

  constructor(backend: object) {
    this.#backend = backend;
  }

  call(kernelName: string, inputs: tf.NamedTensorInfoMap, attrs: tf.NamedAttrMap): tf.TensorInfo {
    const result = tf.getKernel(kernelName, 'wasm').kernelFunc({ inputs, attrs, backend: this.#backend });
    return this.made(Array.isArray(result) ? result[0]! : result);
  }

  made(tensor: tf.TensorInfo): tf.TensorInfo {
    this.#made.push(tensor);
    return tensor;
  }

  /** Frees everything but `result`. */
  finish(result: tf.TensorInfo): tf.TensorInfo {
    for (const tensor of this.#made) if (tensor !== result) heapOf(this.#backend).backend.disposeData(tensor.dataId);
    return result;
  }

  /** Reorders the axes. */
  transpose({ tensor, labels }: Operand, order: string): Operand {
    if (labels === order) return { tensor, labels };
    const perm = Array.from(order, (label) => labels.indexOf(label));
    return { labels: order, tensor: this.call('Transpose', { x: tensor }, { perm }) };
  }

  /** Sums over the axes that are not in `kept`. */
  sumOut(operand: Operand, kept: string): Operand {
    const axis = Array.from(operand.labels, (label, i) => (kept.includes(label) ? -1 : i)).filter((i) => i >= 0);
    if (axis.length === 0) return operand;
    const labels = common(operand.labels, kept);
    return { labels, tensor: this.call('Sum', { x: operand.tensor }, { axis, keepDims: false }) };
  }

  reshape(tensor: tf.TensorInfo, shape: number[]): tf.TensorInfo {
    return this.call('Reshape', { x: tensor }, { shape });
  }
}

const common = (a: string, b: string) => Array.from(a, (label) => (b.includes(label) ? label : '')).join('');
const without = (a: string, b: string) => Array.from(a, (label) => (b.includes(label) ? '' : label)).join('');

/**
 * Contracts two tensors by one product of matrices (a batch of them where axes go through): the labels in both and in the
 * result are the batch, those in both alone are summed over.
 */
function contract(chain: Chain, backend: object, left: Operand, right: Operand, out: string): tf.TensorInfo {
  const a = chain.sumOut(left, right.labels + out);
  const b = chain.sumOut(right, left.labels + out);
  const shared = common(a.labels, b.labels);
  const batch = common(shared, out);
  const inner = without(shared, out);
  const [rows, columns] = [without(a.labels, shared), without(b.labels, shared)];
  const sizes = new Map<string, number>();
  for (const { labels, tensor } of [a, b]) Array.from(labels, (label, i) => sizes.set(label, tensor.shape[i]!));
  const shapeOf = (labels: string) => Array.from(labels, (label) => sizes.get(label)!);
  const count = (labels: string) => tf.util.sizeFromShape(shapeOf(labels));

  const x = chain.reshape(chain.transpose(a, batch + rows + inner).tensor, [count(batch), count(rows), count(inner)]);
  const y = chain.reshape(chain.transpose(b, batch + inner + columns).tensor, [
    count(batch),
    count(inner),
    count(columns),
  ]);
  const product = chain.made(
    matMul(heapOf(backend), { tensor: x, transposed: false }, { tensor: y, transposed: false }),
  );
  const labels = batch + rows + columns;
  return chain.transpose({ labels, tensor: chain.reshape(product, shapeOf(labels)) }, out).tensor;
}

/** The backend has none; the plain one multiplies with all axes spread out, which takes the memory of all of them. */
export const einsum: Kernel = {
  kernelName: 'Einsum',
  kernelFunc: ({ inputs, attrs, backend }) => {
    const tensors = Object.values(inputs).filter((tensor) => tensor !== undefined);
    const equation = typeof attrs['equation'] === 'string' ? attrs['equation'].replaceAll(/\s/g, '') : '';
    // Refuses what no engine does: more than two tensors, repeated labels, ellipses, axes of different sizes.
    const { allDims, idDims } = tf.backend_util.decodeEinsumEquation(equation, tensors.length);
    // it reads the shapes only
    tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, tensors as tf.Tensor[]);
    const [terms = '', out = ''] = equation.split('->');
    const [left, right] = terms.split(',').map((labels, i) => ({ labels, tensor: tensors[i]! }));
    const chain = new Chain(backend);
    if (right) {
      const float = (operand: Operand): Operand =>
        operand.tensor.dtype === 'float32'
          ? operand
          : { ...operand, tensor: chain.call('Cast', { x: operand.tensor }, { dtype: 'float32' }) };
      const product = contract(chain, backend, float(left!), float(right), out);
      const areWhole = tensors.every(({ dtype }) => dtype !== 'float32');
      return chain.finish(areWhole ? chain.call('Cast', { x: product }, { dtype: 'int32' }) : product);
    }
    const result = chain.transpose(chain.sumOut(left!, out), out).tensor;
    // An equation that changes nothing still has to give a tensor of its own.
    return chain.finish(result === left!.tensor ? chain.call('Identity', { x: result }, {}) : result);
  },
};
