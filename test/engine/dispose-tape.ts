import * as tf from '@tensorflow/tfjs';

/** Disposes what a gradient that threw has left: TensorFlow.js frees what it saved at the end of a whole one only. */
export function disposeTape(): void {
  const { state } = tf.engine();
  for (const { saved } of state.activeTape ?? []) tf.dispose(saved ?? []);
  state.activeTape = [];
}
