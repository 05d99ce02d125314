import * as tf from '@tensorflow/tfjs';
import { heapOf, type WasmHeap } from './heap.ts';
import type { Kernel } from '../replace-kernels.ts';

/** One factor of a product: a matrix, or a batch of them, perhaps stored transposed. */
export interface Factor {
  readonly tensor: tf.TensorInfo;
  readonly transposed: boolean;
}

/** A row-major matrix in the heap: its byte offset, and the numbers from one row to the next. */
export interface Matrix {
  readonly at: number;
  readonly stride: number;
  readonly transposed?: boolean;
}

/** out (+)= left [m, k] · right [k, n]. */
export function multiply(
  heap: WasmHeap,
  { left, right, out }: { readonly left: Matrix; readonly right: Matrix; readonly out: Matrix },
  [m, n, k]: readonly [number, number, number],
  accumulate = false,
): void {
  if (k === 0 && !accumulate) {
    // the kernel writes as it adds: a product over nothing, of an empty batch, is zero
    for (let row = 0; row < m; row++) heap.floats(out.at + 4 * row * out.stride, n).fill(0);
    return;
  }
  const spread = ({ at, stride, transposed = false }: Matrix) => [at, stride, Number(transposed)] as const;
  heap.withScratch([heap.kernels.gemmScratchBytes(n, k)], (scratch = 0) =>
    heap.kernels.gemm(...spread(left), ...spread(right), out.at, out.stride, m, n, k, Number(accumulate), scratch),
  );
}

/** Rows and columns of a factor as it enters the product, and how many matrices it holds along each leading axis. */
function dimensions({ tensor, transposed }: Factor) {
  const [rows = 1, columns = 1] = tensor.shape.slice(-2);
  return { batch: tensor.shape.slice(0, -2), stride: columns, ...order(transposed, rows, columns) };
}

const order = (transposed: boolean, rows: number, columns: number) =>
  transposed ? { rows: columns, columns: rows } : { rows, columns };

/** For each matrix of a broadcast batch, the index of the matrix to read in a batch of the shape `from`. */
export function broadcastIndices(from: readonly number[], to: readonly number[]): Int32Array {
  let indices = new Int32Array([0]);
  const missing = to.length - from.length;
  for (let axis = 0; axis < to.length; axis++) {
    const size = to[axis]!;
    const own = axis < missing ? 1 : from[axis - missing]!;
    const next = new Int32Array(indices.length * size);
    for (let i = 0; i < next.length; i++) {
      next[i] = indices[Math.floor(i / size)]! * own + (own === 1 ? 0 : i % size);
    }
    indices = next;
  }
  return indices;
}

/** left · right over a broadcast batch; with `bias` [n], added to each row. */
export function matMul(heap: WasmHeap, left: Factor, right: Factor, bias?: tf.TensorInfo): tf.TensorInfo {
  const l = dimensions(left);
  const r = dimensions(right);
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(l.batch, r.batch);
  const [m, n, k] = [l.rows, r.columns, l.columns];
  tf.util.assert(
    k === r.rows,
    () => `matMul: expected inner axes of one size, got ${k} and ${r.rows}: transpose one of the factors.`,
  );
  const out = heap.output([...batch, m, n]);
  const rows = tf.util.sizeFromShape(batch) * m;
  if (bias) heap.kernels.fillRows(heap.at(out), rows, n, heap.at(bias));
  const leftOf = broadcastIndices(l.batch, batch);
  const rightOf = broadcastIndices(r.batch, batch);
  for (let i = 0; i < leftOf.length; i++) {
    const matrices = {
      left: { at: heap.at(left.tensor) + 4 * leftOf[i]! * m * k, stride: l.stride, transposed: left.transposed },
      right: { at: heap.at(right.tensor) + 4 * rightOf[i]! * k * n, stride: r.stride, transposed: right.transposed },
      out: { at: heap.at(out) + 4 * i * m * n, stride: n },
    };
    multiply(heap, matrices, [m, n, k], bias !== undefined);
  }
  return out;
}

/** The backend's own product reads transposed factors element by element, 10 to 40 times slower than this. */
export const batchMatMul: Kernel = {
  kernelName: 'BatchMatMul',
  kernelFunc: ({ inputs, attrs, backend }, stock) => {
    const { a, b } = inputs;
    if (a?.dtype !== 'float32' || b?.dtype !== 'float32') return stock({ inputs, attrs, backend });
    return matMul(
      heapOf(backend),
      { tensor: a, transposed: attrs['transposeA'] === true },
      { tensor: b, transposed: attrs['transposeB'] === true },
    );
  },
};

/** The kernel that computes each activation which `_FusedMatMul` may end with. */
const activations: Readonly<Record<string, string>> = {
  relu: 'Relu',
  relu6: 'Relu6',
  sigmoid: 'Sigmoid',
  elu: 'Elu',
  leakyrelu: 'LeakyRelu',
  prelu: 'Prelu',
};

/** A bias of one number, which TensorFlow.js allows, as one for each of `count` columns. */
function repeated(heap: WasmHeap, bias: tf.TensorInfo, count: number): tf.TensorInfo {
  const out = heap.output([count]);
  heap.kernels.fillRows(heap.at(out), count, 1, heap.at(bias));
  return out;
}

export const fusedMatMul: Kernel = {
  kernelName: '_FusedMatMul',
  kernelFunc: ({ inputs, attrs, backend }, stock) => {
    const { a, b, bias, preluActivationWeights } = inputs;
    const activation = typeof attrs['activation'] === 'string' ? attrs['activation'] : 'linear';
    const known = activation === 'linear' || activation in activations;
    // A bias of more than one axis is refused by the backend's own kernel, which says so.
    if (a?.dtype !== 'float32' || b?.dtype !== 'float32' || !known || (bias && bias.shape.length > 1)) {
      return stock({ inputs, attrs, backend });
    }
    const columns = b.shape.at(attrs['transposeB'] === true ? -2 : -1);
    const spread = bias && bias.shape[0] !== columns ? repeated(heapOf(backend), bias, columns ?? 1) : undefined;
    const product = matMul(
      heapOf(backend),
      { tensor: a, transposed: attrs['transposeA'] === true },
      { tensor: b, transposed: attrs['transposeB'] === true },
      spread ?? bias,
    );
    if (spread) heapOf(backend).backend.disposeData(spread.dataId);
    const activate = activations[activation];
    if (activate === undefined) return product;
    const result = tf.getKernel(activate, 'wasm').kernelFunc({
      inputs: { x: product, alpha: preluActivationWeights },
      attrs: { alpha: Number(attrs['leakyreluAlpha'] ?? 0) },
      backend,
    });
    heapOf(backend).backend.disposeData(product.dataId);
    return result;
  },
};
