/* oxlint-disable typescript/no-unsafe-type-assertion -- TensorFlow.js' operations lose the ranks that the line beside each assertion gives back */
/**
 * An LSTM over whole sequences as one loop forward and one backward. What does not depend on the step before is taken
 * out of the loops and done for all steps at once: the input's projection, and backward everything that is known from
 * the forward pass, so that a step backward is
 *
 *     dh = dy_t + dz_t+1 Whᵀ     dc = dc_t+1 f_t+1 + dh A_t     dz_t = [dc dc dc dh] K_t
 *     A = o (1 - tanh² c)        K = [i'g | f'c_t-1 | i(1 - g²) | o'tanh c],   s' the slope of a gate by its value
 *
 * Where gates are sigmoids, the candidate is one too, so that one operation serves all four: tanh x = 2 σ(2x) - 1, with
 * the candidate's weights doubled beforehand.
 */
import * as tf from '@tensorflow/tfjs';
import { activateGate, gateSlope, masked, tanhSlope } from '../../layers/gates.ts';
import { passedBy } from '../../layers/lstm-sequence.ts';
import type { GateActivation, Recurrence, RecurrenceInputs } from '../../layers/recurrent-sequence.ts';
import type { Loops } from './loops.ts';
import { byStep, fitsCaches, shifted, sizesOf, stepsOf } from './steps.ts';

/** The recurrence on loops. It has to run within a compiled step. */
export const lstmOnLoops = (loops: Loops): Recurrence => ({
  forward(inputs, hasGradient) {
    const run = () => runForward(loops, prepared(inputs), hasGradient);
    const [outputs, lastCell, ...saved] = loops.together(run) as [tf.Tensor, tf.Tensor, ...tf.Tensor[]];
    return {
      outputs: outputs.transpose<tf.Tensor3D>([1, 0, 2]),
      lastCell: lastCell as tf.Tensor2D,
      saved: [...saved, outputs],
    };
  },

  backward(inputs, saved, dOutputs, dLastCell) {
    const { x, kernel, states, mask } = inputs;
    const { batch, steps, input, size } = sizesOf(inputs);
    const [, , outputs] = saved as Three;
    const run = () => {
      const dByStep = dOutputs.transpose([1, 0, 2]); // [B, T, H] -> [T, B, H]
      const masks = mask && stepsOf(mask);
      const [dzs, ...dStates] = runBackward(loops, inputs, saved as Three, dByStep, dLastCell, masks) as Three;
      const flat = dzs.reshape<tf.Tensor2D>([steps * batch, 4 * size]);
      return [flat, flat.sum(0), ...dStates]; // XLA's sum is several times as fast as TensorFlow's
    };
    const [dz, dBias, dh, dc] = loops.together(run) as [tf.Tensor2D, tf.Tensor, tf.Tensor, tf.Tensor];
    const before = shifted(states[0], outputs).reshape([steps * batch, size]);
    const dx = dz.matMul(kernel, false, true).reshape([steps, batch, input]).transpose([1, 0, 2]);
    return [dx, byStep(x).matMul(dz, true, false), before.matMul(dz, true, false), dBias, dh, dc];
  },
});

type Three = [tf.Tensor, tf.Tensor, tf.Tensor];
type Four = [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
type Five = [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];

/** The inputs with the candidate's weights doubled, where it goes through a sigmoid. */
function prepared(inputs: RecurrenceInputs): RecurrenceInputs {
  const { kernel, recurrentKernel, bias, recurrentActivation } = inputs;
  if (recurrentActivation !== 'sigmoid') return inputs;
  const size = recurrentKernel.shape[0];
  const factors = Array.from({ length: 4 * size }, (_, column) => (Math.floor(column / size) === 2 ? 2 : 1));
  const double = tf.tensor1d(factors);
  return {
    ...inputs,
    kernel: kernel.mul<tf.Tensor2D>(double),
    recurrentKernel: recurrentKernel.mul<tf.Tensor2D>(double),
    bias: bias.mul<tf.Tensor1D>(double),
  };
}

/**
 * Outputs [T, B, H], the last cell state, and, where there will be a gradient, what the way back needs: gates [T, B, 4H]
 * and cell states [T, B, H].
 */
function runForward(loops: Loops, inputs: RecurrenceInputs, hasGradient: boolean): tf.Tensor[] {
  const { states, recurrentActivation, mask } = inputs;
  const { batch, steps, size } = sizesOf(inputs);
  const { lists } = loops;
  const masks = mask && lists.of(stepsOf(mask));
  const sums = !hasGradient && isSummedByStep(loops, inputs) ? sumsByStep : sumsFromProjections;
  const { projections, sum } = sums(loops, inputs);
  const empty = (width: number) => lists.empty(steps, [batch, width]);
  // A step's gates take the place of its projection, which nothing reads after it: the largest tensor exists once.
  const kept = hasGradient ? [projections!, empty(size)] : [];
  const loop = loops.run([...states, empty(size), ...kept], steps, (t, state) => {
    const [h, c, outputs, gates, cells] = state as Five;
    const z = sum(t, h, gates);
    const activated = recurrentActivation === 'sigmoid' ? z.sigmoid() : activateEach(z, recurrentActivation);
    const [i, f, s, o] = tf.split(activated, 4, 1) as Four;
    const cell = f.mul(c).add(i.mul(candidateOf(s, recurrentActivation)));
    const step = masks && lists.get(masks, t, [batch, 1]);
    const nextH = masked(step, o.mul(cell.tanh()), h);
    const nextC = masked(step, cell, c);
    const next = [nextH, nextC, lists.set(outputs, t, nextH)];
    return hasGradient ? [...next, lists.set(gates, t, activated), lists.set(cells, t, nextC)] : next;
  });
  const [, lastCell, outputs, gates, cells] = loop as Five;
  const stack = (list: tf.Tensor, width: number) => lists.stack(list, steps, [batch, width]);
  return [stack(outputs, size), lastCell, ...(hasGradient ? [stack(gates, 4 * size), stack(cells, size)] : [])];
}

/** The sums that go into a step's gates, [B, 4H], by the state before it. */
interface Sums {
  /** The input's share for all steps, [T] of [B, 4H], if it is computed beforehand: always, where there is a gradient. */
  readonly projections?: tf.Tensor;
  /** @param list where the projections are by now, if not where they were */
  readonly sum: (t: tf.Tensor, h: tf.Tensor, list: tf.Tensor | undefined) => tf.Tensor;
}

function sumsFromProjections({ lists }: Loops, inputs: RecurrenceInputs): Sums {
  const { x, kernel, recurrentKernel, bias } = inputs;
  const { batch, steps, size } = sizesOf(inputs);
  const projected = byStep(x).matMul(kernel).add(bias);
  const projections = lists.of(projected.reshape([steps, batch, 4 * size]));
  return {
    projections,
    sum: (t, h, list) => lists.get(list ?? projections, t, [batch, 4 * size]).add(h.matMul(recurrentKernel)),
  };
}

/** Of input and state by one product: the input's share of all steps, by far the largest tensor, is never in memory. */
function sumsByStep({ lists }: Loops, inputs: RecurrenceInputs): Sums {
  const { x, kernel, recurrentKernel, bias } = inputs;
  const { batch, input } = sizesOf(inputs);
  const [xs, weights] = [lists.of(x.transpose([1, 0, 2])), tf.concat([kernel, recurrentKernel], 0)];
  return {
    sum: (t, h) =>
      tf
        .concat([lists.get(xs, t, [batch, input]), h], 1)
        .matMul(weights)
        .add(bias),
  };
}

/** Whether that pays (measured: 5 to 10 % of a forward pass): operations cost nothing to start, and the weights stay in a core's caches. */
const isSummedByStep = ({ areCompiled }: Loops, { kernel, recurrentKernel }: RecurrenceInputs): boolean =>
  areCompiled && fitsCaches(kernel.size + recurrentKernel.size);

function activateEach(z: tf.Tensor, activation: GateActivation): tf.Tensor {
  const [i, f, g, o] = tf.split(z, 4, 1) as Four;
  return tf.concat(
    [activateGate(i, activation), activateGate(f, activation), g.tanh(), activateGate(o, activation)],
    1,
  );
}

/** The candidate by what was saved of it. */
const candidateOf = (saved: tf.Tensor, activation: GateActivation): tf.Tensor =>
  activation === 'sigmoid' ? saved.add(saved).sub(1) : saved;

/** The gradients of all steps' pre-activations, [T, B, 4H], and of the first states. */
function runBackward(
  loops: Loops,
  inputs: RecurrenceInputs,
  saved: Three,
  dOutputs: tf.Tensor,
  dLastCell: tf.Tensor | undefined,
  mask: tf.Tensor | undefined,
): tf.Tensor[] {
  const { batch, steps, size } = sizesOf(inputs);
  const { lists } = loops;
  const { slopes, cellSlope } = knownSlopes(loops, inputs, saved);
  const [cellList, gates, dOutput] = [cellSlope, saved[0], dOutputs].map((all) => lists.of(all)) as Three;
  const masks = mask && lists.of(mask);
  const transposed = inputs.recurrentKernel.transpose();
  const last = tf.scalar(steps - 1, 'int32');
  // A step's gradients take the place of its slopes, as above.
  const initial = [tf.zeros([batch, size]), dLastCell ?? tf.zeros([batch, size]), lists.of(slopes)];
  const loop = loops.run(initial, steps, (count, state) => {
    const [dhLater, dcLater, dzs] = state as Three;
    const t = tf.sub(last, count);
    const step = masks && lists.get(masks, t, [batch, 1]);
    const dhAll = lists.get(dOutput, t, [batch, size]).add(dhLater);
    const dh = step ? dhAll.mul(step) : dhAll;
    const dc = (step ? dcLater.mul(step) : dcLater).add(dh.mul(lists.get(cellList, t, [batch, size])));
    const dz = tf.concat([dc, dc, dc, dh], 1).mul(lists.get(dzs, t, [batch, 4 * size]));
    const dhBefore = passedBy(step, dhAll, dz.matMul(transposed));
    const [, forget] = tf.split(lists.get(gates, t, [batch, 4 * size]), 4, 1) as Four;
    const dcBefore = passedBy(step, dcLater, dc.mul(forget));
    return [dhBefore, dcBefore, lists.set(dzs, t, dz)];
  });
  const [dh, dc, dzs] = loop as Three;
  return [lists.stack(dzs, steps, [batch, 4 * size]), dh, dc];
}

/** K [T, B, 4H] and A [T, B, H] of the head of this file, for all steps at once. */
function knownSlopes(loops: Loops, { states, recurrentActivation }: RecurrenceInputs, [gates, cells]: Three) {
  const [i, f, s, o] = tf.split(gates, 4, 2) as Four;
  const g = candidateOf(s, recurrentActivation);
  const squashed = cells.tanh();
  const slope = (gate: tf.Tensor) => gateSlope(gate, recurrentActivation);
  const parts = [g.mul(slope(i)), shifted(states[1], cells).mul(slope(f)), i.mul(tanhSlope(g)), squashed.mul(slope(o))];
  return { slopes: loops.sideBySide(parts), cellSlope: o.mul(tanhSlope(squashed)) };
}
