import * as tf from '@tensorflow/tfjs';
import type { GateActivation } from './recurrent-sequence.ts';

/** The recurrent activation of a gate. */
export const activateGate = (z: tf.Tensor, activation: GateActivation): tf.Tensor =>
  activation === 'sigmoid' ? z.sigmoid() : z.mul(0.2).add(0.5).clipByValue(0, 1);

/** The derivative of the recurrent activation, by its value. */
export const gateSlope = (s: tf.Tensor, activation: GateActivation): tf.Tensor =>
  activation === 'sigmoid' ? s.mul(tf.sub(1, s)) : s.greater(0).logicalAnd(s.less(1)).toFloat().mul(0.2);

/** tanh's derivative, by its value. */
export const tanhSlope = (y: tf.Tensor): tf.Tensor => tf.sub(1, y.square());

/** Takes `fresh` where the mask [B, 1] is 1 and `before` where it is 0. */
export const masked = (mask: tf.Tensor | undefined, fresh: tf.Tensor, before: tf.Tensor): tf.Tensor =>
  mask ? fresh.mul(mask).add(before.mul(tf.sub(1, mask))) : fresh;

/** The steps of a mask [B, T], each [B, 1]. */
export const maskSteps = (mask: tf.Tensor2D | undefined): tf.Tensor[] | undefined =>
  mask && tf.unstack(mask.expandDims(-1), 1);
