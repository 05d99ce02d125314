import type * as tf from '@tensorflow/tfjs';
import type { TensorflowBackend } from '../backend.ts';
import { TensorLists } from './tensor-list.ts';
import { whileLoop, type LoopBody } from './while-loop.ts';
import { xlaCall } from './xla-call.ts';

/** What recurrent layers are made of, within a compiled step. */
export interface Loops {
  readonly lists: TensorLists;
  /** Runs a body once a step: see `whileLoop`. */
  run(initial: readonly tf.Tensor[], steps: number, body: LoopBody): tf.Tensor[];
  /** Runs what belongs together, compiled by XLA where that pays: see `xlaCall`. */
  together(body: () => tf.Tensor[]): tf.Tensor[];
}

/** Loops on a backend; `xla` compiles what belongs together. */
export function loopsOf(backend: TensorflowBackend, xla: boolean): Loops {
  return {
    lists: new TensorLists(backend),
    run: (initial, steps, body) => whileLoop(backend, initial, steps, body),
    together: (body) => (xla ? xlaCall(backend, body) : body()),
  };
}
