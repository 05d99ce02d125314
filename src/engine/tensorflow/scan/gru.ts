/* oxlint-disable typescript/no-unsafe-type-assertion -- TensorFlow.js' operations lose the ranks that the line beside each assertion gives back */
/**
 * A GRU over whole sequences as one loop forward and one backward (see `lstm.ts`). With h' for the state before a step,
 * a step backward is
 *
 *     dh = dy_t + dh_t+1     dz_n = dh N     p = dz_n Wcᵀ     dz_u = dh U     dz_r = p R     dh' = dh u + p r + [dz_u dz_r] Wgᵀ
 *     N = (1 - u)(1 - n²)    U = (h' - n) u'    R = h' r',    where u' and r' are the slopes of the gates by their values
 */
import * as tf from '@tensorflow/tfjs';
import { activateGate, gateSlope, masked, tanhSlope } from '../../layers/gates.ts';
import { passedBy } from '../../layers/lstm-sequence.ts';
import type { Recurrence, RecurrenceInputs } from '../../layers/recurrent-sequence.ts';
import type { Loops } from './loops.ts';
import { byStep, shifted, sizesOf, stepsOf } from './steps.ts';

/** The recurrence on loops. It has to run within a compiled step. */
export const gruOnLoops = (loops: Loops): Recurrence => ({
  forward(inputs, hasGradient) {
    const { x, kernel, bias, mask } = inputs;
    const { batch, steps, size } = sizesOf(inputs);
    const projected = byStep(x)
      .matMul(kernel)
      .add(bias)
      .reshape([steps, batch, 3 * size]);
    const run = () => runForward(loops, { ...inputs, projected, masks: mask && stepsOf(mask) }, hasGradient);
    const [outputs, ...saved] = loops.together(run) as [tf.Tensor, ...tf.Tensor[]];
    return { outputs: outputs.transpose<tf.Tensor3D>([1, 0, 2]), saved: [...saved, outputs] };
  },

  backward(inputs, saved, dOutputs) {
    const { x, kernel, states, mask } = inputs;
    const { batch, steps, input, size } = sizesOf(inputs);
    const [gates, , outputs] = saved as Three;
    const dByStep = dOutputs.transpose([1, 0, 2]); // [B, T, H] -> [T, B, H]
    const [dzs, dh] = loops.together(() =>
      runBackward(loops, inputs, saved as Three, dByStep, mask && stepsOf(mask)),
    ) as Two;
    const dz = dzs.reshape<tf.Tensor2D>([steps * batch, 3 * size]);
    const before = shifted(states[0], outputs);
    const [, reset] = tf.split(gates, 2, 2) as Two;
    const [dGates, dCandidate] = tf.split(dz, [2 * size, size], 1) as Two;
    const flat = (values: tf.Tensor) => values.reshape<tf.Tensor2D>([steps * batch, size]);
    return [
      dz.matMul(kernel, false, true).reshape([steps, batch, input]).transpose([1, 0, 2]),
      byStep(x).matMul(dz, true, false),
      tf.concat([flat(before).matMul(dGates, true, false), flat(reset.mul(before)).matMul(dCandidate, true, false)], 1),
      dz.sum(0),
      dh,
    ];
  },
});

type Two = [tf.Tensor, tf.Tensor];
type Three = [tf.Tensor, tf.Tensor, tf.Tensor];
type Four = [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];

/** The recurrent weights of the gates [H, 2H] and of the candidate [H, H]. */
const splitRecurrent = (recurrentKernel: tf.Tensor2D): Two => {
  const size = recurrentKernel.shape[0];
  return tf.split(recurrentKernel, [2 * size, size], 1) as Two;
};

/** What a pass forward gets beside the recurrence's inputs: their projections [T, B, 3H], and the mask by steps. */
interface Projected extends RecurrenceInputs {
  readonly projected: tf.Tensor;
  readonly masks: tf.Tensor | undefined;
}

/** Outputs [T, B, H], and, where there will be a gradient, what the way back needs: gates [T, B, 2H] and candidates [T, B, H]. */
function runForward(loops: Loops, inputs: Projected, hasGradient: boolean): tf.Tensor[] {
  const { batch, steps, size } = sizesOf(inputs);
  const { lists } = loops;
  const [gateWeights, candidateWeights] = splitRecurrent(inputs.recurrentKernel);
  const projections = lists.of(inputs.projected);
  const masks = inputs.masks && lists.of(inputs.masks);
  const empty = (width: number) => lists.empty(steps, [batch, width]);
  const kept = hasGradient ? [empty(2 * size), empty(size)] : [];
  const loop = loops.run([inputs.states[0]!, empty(size), ...kept], steps, (t, state) => {
    const [h, outputs, allGates, candidates] = state as Four;
    const [forGates, forCandidate] = tf.split(lists.get(projections, t, [batch, 3 * size]), [2 * size, size], 1) as Two;
    const gates = activateGate(forGates.add(h.matMul(gateWeights)), inputs.recurrentActivation);
    const [update, reset] = tf.split(gates, 2, 1) as Two;
    const candidate = forCandidate.add(reset.mul(h).matMul(candidateWeights)).tanh();
    const step = masks && lists.get(masks, t, [batch, 1]);
    const next = masked(step, update.mul(h.sub(candidate)).add(candidate), h);
    const filled = hasGradient ? [lists.set(allGates, t, gates), lists.set(candidates, t, candidate)] : [];
    return [next, lists.set(outputs, t, next), ...filled];
  });
  const [, outputs, gates, candidates] = loop as Four;
  const stack = (list: tf.Tensor, width: number) => lists.stack(list, steps, [batch, width]);
  return [stack(outputs, size), ...(hasGradient ? [stack(gates, 2 * size), stack(candidates, size)] : [])];
}

/** The gradients of all steps' pre-activations, [T, B, 3H], and of the first state. */
function runBackward(
  loops: Loops,
  inputs: RecurrenceInputs,
  saved: Three,
  dOutputs: tf.Tensor,
  mask: tf.Tensor | undefined,
): tf.Tensor[] {
  const { batch, steps, size } = sizesOf(inputs);
  const { lists } = loops;
  const known = knownSlopes(inputs, saved);
  const row = (list: tf.Tensor, t: tf.Tensor) => lists.get(list, t, [batch, size]);
  const [updates, resets, updateSlopes, resetSlopes] = known.gates.map((all) => lists.of(all)) as Four;
  const [candidateSlopes, dOutput] = [known.candidate, dOutputs].map((all) => lists.of(all)) as Two;
  const masks = mask && lists.of(mask);
  const [gatesBack, candidateBack] = splitRecurrent(inputs.recurrentKernel).map((weights) =>
    weights.transpose(),
  ) as Two;
  const last = tf.scalar(steps - 1, 'int32');
  const loop = loops.run([tf.zeros([batch, size]), lists.empty(steps, [batch, 3 * size])], steps, (count, state) => {
    const [dhLater, dzs] = state as Two;
    const t = tf.sub(last, count);
    const step = masks && lists.get(masks, t, [batch, 1]);
    const dhAll = row(dOutput, t).add(dhLater);
    const dh = step ? dhAll.mul(step) : dhAll;
    const dCandidate = dh.mul(row(candidateSlopes, t));
    const past = dCandidate.matMul(candidateBack);
    const dGates = tf.concat([dh.mul(row(updateSlopes, t)), past.mul(row(resetSlopes, t))], 1);
    const through = dh
      .mul(row(updates, t))
      .add(past.mul(row(resets, t)))
      .add(dGates.matMul(gatesBack));
    return [passedBy(step, dhAll, through), lists.set(dzs, t, tf.concat([dGates, dCandidate], 1))];
  });
  const [dh, dzs] = loop as Two;
  return [lists.stack(dzs, steps, [batch, 3 * size]), dh];
}

/** u, r, U, R and N of the head of this file, each [T, B, H], for all steps at once. */
function knownSlopes({ states, recurrentActivation }: RecurrenceInputs, [gates, candidates, outputs]: Three) {
  const [update, reset] = tf.split(gates, 2, 2) as Two;
  const before = shifted(states[0], outputs);
  const updateSlope = before.sub(candidates).mul(gateSlope(update, recurrentActivation));
  const resetSlope = before.mul(gateSlope(reset, recurrentActivation));
  return {
    gates: [update, reset, updateSlope, resetSlope],
    candidate: tf.sub(1, update).mul(tanhSlope(candidates)),
  };
}
