/**
 * A GRU over whole sequences, its reset gate before the product, as in Keras' `resetAfter: false`.
 *
 *     a_t = x_t Wx + b      u, r = gate(a[0:2H] + h_t-1 Wh[:, 0:2H])      n = tanh(a[2H:3H] + (r h_t-1) Wh[:, 2H:3H])
 *     h_t = u h_t-1 + (1 - u) n
 */
import * as tf from '@tensorflow/tfjs';
import { activateGate, gateSlope, masked, maskSteps, tanhSlope } from './gates.ts';
import { passedBy } from './lstm-sequence.ts';
import {
  differentiable,
  type Recurrence,
  type RecurrenceInputs,
  type RecurrentSequence,
  ReplaceableSequence,
} from './recurrent-sequence.ts';

/** Tensors that each step leaves for the backward pass: u, r, n, and the state before the step. */
const savedPerStep = 4;

/** The recurrent weights of the gates [H, 2H] and of the candidate [H, H]. */
const splitRecurrent = (recurrentKernel: tf.Tensor2D): [tf.Tensor, tf.Tensor] => {
  const size = recurrentKernel.shape[0];
  return tf.split(recurrentKernel, [2 * size, size], 1) as [tf.Tensor, tf.Tensor];
};

const gruFromOps: Recurrence = {
  forward({ x, kernel, recurrentKernel, bias, states, mask, recurrentActivation }) {
    const [batch, steps, inputSize] = x.shape;
    const size = recurrentKernel.shape[0];
    const xByStep = x.transpose([1, 0, 2]).reshape([steps * batch, inputSize]); // [B, T, I] -> [T * B, I]
    const projected = xByStep.matMul(kernel).add(bias).reshape([steps, batch, kernel.shape[1]]);
    const [gateWeights, candidateWeights] = splitRecurrent(recurrentKernel);
    const masks = maskSteps(mask);
    let h: tf.Tensor = states[0]!;
    const outputs: tf.Tensor[] = [];
    const saved: tf.Tensor[] = [xByStep];
    tf.unstack(projected, 0).forEach((projection, t) => {
      const [forGates, forCandidate] = tf.split(projection, [2 * size, size], 1) as [tf.Tensor, tf.Tensor];
      const gates = activateGate(forGates.add(h.matMul(gateWeights)), recurrentActivation);
      const [update, reset] = tf.split(gates, 2, 1) as [tf.Tensor, tf.Tensor];
      const candidate = forCandidate.add(reset.mul(h).matMul(candidateWeights)).tanh();
      saved.push(update, reset, candidate, h);
      h = masked(masks?.[t], update.mul(h.sub(candidate)).add(candidate), h);
      outputs.push(h);
    });
    return { outputs: tf.stack(outputs, 1) as tf.Tensor3D, saved };
  },

  backward(inputs, saved, dOutputs) {
    const { x, kernel } = inputs;
    const [batch, steps, inputSize] = x.shape;
    const size = inputs.recurrentKernel.shape[0];
    const { dz, dh } = backThroughTime(inputs, saved, dOutputs);
    const step = (t: number, which: number) => saved[1 + t * savedPerStep + which]!;
    const before = tf.concat(Array.from({ length: steps }, (_, t) => step(t, 3))); // [T * B, H]
    const reset = tf.concat(Array.from({ length: steps }, (_, t) => step(t, 1).mul(step(t, 3))));
    const [dGates, dCandidate] = tf.split(dz, [2 * size, size], 1) as [tf.Tensor, tf.Tensor];
    return [
      dz.matMul(kernel, false, true).reshape([steps, batch, inputSize]).transpose([1, 0, 2]),
      saved[0]!.matMul(dz, true, false),
      tf.concat([before.matMul(dGates, true, false), reset.matMul(dCandidate, true, false)], 1),
      dz.sum(0),
      dh,
    ];
  },
};

/** The gradients of all steps' pre-activations, [T * B, 3H], and of the first state. */
function backThroughTime(
  { x, recurrentKernel, mask, recurrentActivation }: RecurrenceInputs,
  saved: readonly tf.Tensor[],
  dOutputs: tf.Tensor3D,
) {
  const [batch, steps] = x.shape;
  const dOutput = tf.unstack(dOutputs, 1); // T of [B, H]
  const [gatesBack, candidateBack] = splitRecurrent(recurrentKernel).map((weights) => weights.transpose()) as [
    ...[tf.Tensor, tf.Tensor],
  ];
  const masks = maskSteps(mask);
  let dh: tf.Tensor = tf.zeros([batch, recurrentKernel.shape[0]]);
  const dzs: tf.Tensor[] = Array.from({ length: steps });
  for (let t = steps - 1; t >= 0; t--) {
    const at = 1 + t * savedPerStep;
    const [update, reset, candidate, before] = saved.slice(at, at + savedPerStep) as [
      ...[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor],
    ];
    const step = masks?.[t];
    const dhAll = dOutput[t]!.add(dh);
    const dhHere = step ? dhAll.mul(step) : dhAll;
    const dUpdate = dhHere.mul(before.sub(candidate)).mul(gateSlope(update, recurrentActivation));
    const dCandidate = dhHere.mul(tf.sub(1, update)).mul(tanhSlope(candidate));
    const dResetState = dCandidate.matMul(candidateBack); // gradient of r h
    const dReset = dResetState.mul(before).mul(gateSlope(reset, recurrentActivation));
    dzs[t] = tf.concat([dUpdate, dReset, dCandidate], 1);
    const throughGates = tf.concat([dUpdate, dReset], 1).matMul(gatesBack);
    dh = passedBy(step, dhAll, dhHere.mul(update).add(dResetState.mul(reset)).add(throughGates));
  }
  return { dz: tf.concat(dzs), dh };
}

/** The seam where an engine puts in a GRU of its own: `gru.replace(backendName, sequence)`. */
export const gru = new ReplaceableSequence(differentiable(gruFromOps, 1));

/** Runs a GRU over sequences x [B, T, I] on the active engine. The one state is h. */
export const gruSequence: RecurrentSequence = gru.run;
