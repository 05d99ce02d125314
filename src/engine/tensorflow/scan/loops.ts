import * as tf from '@tensorflow/tfjs';
import type { TensorflowBackend } from '../backend.ts';
import { Frame } from '../compile/frame.ts';
import { enclosingFrame, tracing } from '../compile/tracing.ts';
import { TensorLists } from './tensor-list.ts';
import { writtenSideBySide } from './side-by-side.ts';
import { whileLoop, type LoopBody } from './while-loop.ts';
import { xlaCall } from './xla-call.ts';
import type { XlaSwitch } from './xla-switch.ts';

/** What recurrent layers are made of, within a compiled step. */
export interface Loops {
  readonly lists: TensorLists;
  /** Whether XLA compiles loops, so that starting an operation costs next to nothing. */
  readonly areCompiled: boolean;
  /** Runs a body once a step: see `whileLoop`. */
  run(initial: readonly tf.Tensor[], steps: number, body: LoopBody): tf.Tensor[];
  /** The shapes and types of what `body` gives, without adding it to the step. */
  specsOf(body: () => tf.Tensor[]): tf.TensorInfo[];
  /** Tensors beside each other along the last axis; where XLA compiles them, without a tensor for each in memory. */
  sideBySide(parts: readonly tf.Tensor[]): tf.Tensor;
  /** Runs what belongs together, compiled by XLA where that pays: see `xlaCall`. */
  together(body: () => tf.Tensor[]): tf.Tensor[];
}

/** Loops on a backend; while `xla` is on, it compiles what belongs together. */
export function loopsOf(backend: TensorflowBackend, xla: XlaSwitch): Loops {
  return {
    lists: new TensorLists(backend),
    get areCompiled() {
      return xla.on;
    },
    run: (initial, steps, body) => whileLoop(backend, initial, steps, body),
    specsOf: (body) => specsOf(backend, body),
    sideBySide: (parts) => (xla.on ? writtenSideBySide(backend, parts) : tf.concat([...parts], -1)),
    together: (body) => (xla.on ? xlaCall(backend, body) : body()),
  };
}

function specsOf(backend: TensorflowBackend, body: () => tf.Tensor[]): tf.TensorInfo[] {
  const frame = new Frame(backend, enclosingFrame(backend, 'scan'));
  try {
    return tracing(backend, frame, () =>
      body().map(({ dataId, shape, dtype }) => ({ dataId, shape: [...shape], dtype })),
    );
  } finally {
    frame.dispose();
  }
}
