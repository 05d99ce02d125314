import * as tf from '@tensorflow/tfjs';
import { replaceDrawRows } from '../../draw-rows.ts';
import type { TensorflowBackend } from '../backend.ts';
import type { Attribute } from '../binding/attributes.ts';
import { dataTypes } from '../binding/data-types.ts';
import { registerManyOutputs, runManyOutputs } from './override.ts';

const KERNEL = 'DrawRows';

/**
 * Registers the draw: sums run in the order and in the precision of the host's, so each row is bit for bit the same.
 *
 *     g = s / Σ s (1 / B where the sum is 0)     row = first i with Σ_{j ≤ i} g_j > u Σ g     w = 1 / (B g_row)
 */
export function registerDrawRows(backend: TensorflowBackend): void {
  registerManyOutputs(backend, KERNEL, (run, { scores, uniforms }) => {
    if (!scores || !uniforms) return [];
    const made: tf.Tensor[] = [];
    const keep = (tensor: tf.Tensor | undefined): tf.Tensor => {
      if (!tensor) throw new RangeError(`${KERNEL}: an operation gave no output.`);
      made.push(tensor);
      return tensor;
    };
    const call = (name: string, inputs: tf.TensorInfo[], attributes: Attribute[] = []) =>
      keep(run(name, inputs, attributes, 1)[0]);
    const constant = (values: number[], shape: number[], dtype: number) =>
      keep(backend.tensors.tensorOf({ id: backend.engineBinding.createTensor(shape, dtype, values), shape, dtype }));
    const results = draw(call, constant, scores, uniforms);
    tf.dispose(made.filter((tensor) => !results.includes(tensor)));
    return results;
  });
  replaceDrawRows('tensorflow', (scores, uniforms) => {
    const [picks, weights] = runManyOutputs(KERNEL, { scores, uniforms });
    if (!picks || !weights) throw new RangeError(`${KERNEL} gives two tensors.`);
    return { picks: picks.as1D(), weights: weights.as1D() };
  });
}

type Call = (name: string, inputs: tf.TensorInfo[], attributes?: Attribute[]) => tf.Tensor;
type Constant = (values: number[], shape: number[], dtype: number) => tf.Tensor;

function draw(call: Call, constant: Constant, scores: tf.TensorInfo, uniforms: tf.TensorInfo): tf.Tensor[] {
  const [rows = 0] = scores.shape;
  const [count = 0] = uniforms.shape;
  const { float32, float64, int32 } = dataTypes;
  const double = (value: number) => constant([value], [], float64);
  const integer = (value: number) => constant([value], [], int32);
  const cast = (tensor: tf.Tensor, type: number) => call('Cast', [tensor], [{ name: 'DstT', value: type }]);
  const running = (tensor: tf.TensorInfo) => call('Cumsum', [tensor, integer(0)]);
  const last = (tensor: tf.TensorInfo) => call('GatherV2', [tensor, integer(rows - 1), integer(0)]);
  const reshape = (tensor: tf.TensorInfo, shape: number[]) =>
    call('Reshape', [tensor, constant(shape, [shape.length], int32)]);
  const isZero = (tensor: tf.TensorInfo) => call('Equal', [tensor, double(0)]);

  const exact = call('Cast', [scores], [{ name: 'DstT', value: float64 }]);
  const sum = last(running(exact));
  const g = call('SelectV2', [isZero(sum), double(1 / rows), call('RealDiv', [exact, sum])]);
  const cumulative = running(g);
  const numbers = call('Bitcast', [uniforms], [{ name: 'type', value: float64 }]); // [n, 2] -> [n]
  const masses = call('Mul', [numbers, last(cumulative)]);
  const above = call('UpperBound', [reshape(cumulative, [1, rows]), reshape(masses, [1, count])]);
  const picks = reshape(call('Minimum', [above, integer(rows - 1)]), [count]);
  const chance = call('GatherV2', [g, picks, integer(0)]);
  const inverse = call('RealDiv', [double(1), call('Mul', [double(rows), chance])]);
  const weights = call('SelectV2', [isZero(chance), double(0), inverse]);
  return [picks, cast(weights, float32)];
}
