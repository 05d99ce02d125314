/**
 * An LSTM over whole sequences.
 *
 *     z_t = x_t Wx + b + h_t-1 Wh      i, f, g, o = the four quarters of z
 *     c_t = gate(f) c_t-1 + gate(i) tanh(g)      h_t = gate(o) tanh(c_t)
 *
 * The input projection is one product for all steps. Backward, the gradients dz of all steps are collected, so that
 * dWx, dWh, db and dx are one product or sum each.
 */
import * as tf from '@tensorflow/tfjs';
import { activateGate, gateSlope, masked, maskSteps, tanhSlope } from './gates.ts';
import {
  differentiable,
  type Recurrence,
  type RecurrenceInputs,
  type RecurrentSequence,
  ReplaceableSequence,
} from './recurrent-sequence.ts';

/** Tensors that each step leaves for the backward pass: i, f, g, o, tanh(c), and the states before the step, h and c. */
const savedPerStep = 7;

const lstmFromOps: Recurrence = {
  forward({ x, kernel, recurrentKernel, bias, states, mask, recurrentActivation }) {
    const [batch, steps, inputSize] = x.shape;
    const xByStep = x.transpose([1, 0, 2]).reshape([steps * batch, inputSize]); // [B, T, I] -> [T * B, I]
    const projected = xByStep.matMul(kernel).add(bias).reshape([steps, batch, kernel.shape[1]]);
    const projections = tf.unstack(projected, 0); // T of [B, 4H]
    const masks = maskSteps(mask);
    let [h, c] = states as [tf.Tensor, tf.Tensor];
    const outputs: tf.Tensor[] = [];
    const saved: tf.Tensor[] = [xByStep];
    projections.forEach((projection, t) => {
      const z = projection.add(h.matMul(recurrentKernel));
      const [zi, zf, zg, zo] = tf.split(z, 4, 1) as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
      const [i, f, o] = [zi, zf, zo].map((gate) => activateGate(gate, recurrentActivation)) as [
        ...[tf.Tensor, tf.Tensor, tf.Tensor],
      ];
      const g = zg.tanh();
      const cell = f.mul(c).add(i.mul(g));
      const squashed = cell.tanh();
      saved.push(i, f, g, o, squashed, h, c);
      h = masked(masks?.[t], o.mul(squashed), h);
      c = masked(masks?.[t], cell, c);
      outputs.push(h);
    });
    return { outputs: tf.stack(outputs, 1) as tf.Tensor3D, lastCell: c as tf.Tensor2D, saved };
  },

  backward(inputs, saved, dOutputs, dLastCell) {
    const { x, kernel } = inputs;
    const { dz, dh, dc } = backThroughTime(inputs, saved, dOutputs, dLastCell);
    const [batch, steps, inputSize] = x.shape;
    const before = tf.concat(Array.from({ length: steps }, (_, t) => saved[1 + t * savedPerStep + 5]!)); // [T * B, H]
    const dx = dz.matMul(kernel, false, true).reshape([steps, batch, inputSize]).transpose([1, 0, 2]);
    const dKernel = saved[0]!.matMul(dz, true, false);
    return [dx, dKernel, before.matMul(dz, true, false), dz.sum(0), dh, dc];
  },
};

/** The gradients of all steps' pre-activations, [T * B, 4H], and of the first states. */
function backThroughTime(
  { x, recurrentKernel, mask, recurrentActivation }: RecurrenceInputs,
  saved: readonly tf.Tensor[],
  dOutputs: tf.Tensor3D,
  dLastCell: tf.Tensor2D | undefined,
) {
  const [batch, steps] = x.shape;
  const size = recurrentKernel.shape[0];
  const dOutput = tf.unstack(dOutputs, 1); // T of [B, H]
  const transposed = recurrentKernel.transpose();
  const masks = maskSteps(mask);
  let dh: tf.Tensor = tf.zeros([batch, size]);
  let dc: tf.Tensor = dLastCell ?? tf.zeros([batch, size]);
  const dzs: tf.Tensor[] = Array.from({ length: steps });
  for (let t = steps - 1; t >= 0; t--) {
    const at = 1 + t * savedPerStep;
    const [i, f, g, o, squashed, , cBefore] = saved.slice(at, at + savedPerStep) as Seven;
    const slope = (gate: tf.Tensor) => gateSlope(gate, recurrentActivation);
    const step = masks?.[t];
    const dhAll = dOutput[t]!.add(dh);
    const dhHere = step ? dhAll.mul(step) : dhAll;
    const dCell = (step ? dc.mul(step) : dc).add(dhHere.mul(o).mul(tanhSlope(squashed)));
    const dz = tf.concat(
      [
        dCell.mul(g).mul(slope(i)),
        dCell.mul(cBefore).mul(slope(f)),
        dCell.mul(i).mul(tanhSlope(g)),
        dhHere.mul(squashed).mul(slope(o)),
      ],
      1,
    );
    dzs[t] = dz;
    dh = passedBy(step, dhAll, dz.matMul(transposed));
    dc = passedBy(step, dc, dCell.mul(f));
  }
  return { dz: tf.concat(dzs), dh, dc };
}

type Seven = [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];

/** What reaches the state before: through the step, and past it where the step is masked. */
export const passedBy = (mask: tf.Tensor | undefined, past: tf.Tensor, through: tf.Tensor): tf.Tensor =>
  mask ? through.add(past.mul(tf.sub(1, mask))) : through;

/** The LSTM of TensorFlow.js' operations, step by step, which every engine can run. */
export const lstmByStep: RecurrentSequence = differentiable(lstmFromOps, 2);

/** The seam where an engine puts in an LSTM of its own: `lstm.replace(backendName, sequence)`. */
export const lstm = new ReplaceableSequence(lstmByStep);

/** Runs an LSTM over sequences x [B, T, I] on the active engine. States are h and c. */
export const lstmSequence: RecurrentSequence = lstm.run;
