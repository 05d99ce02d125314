import type * as tf from '@tensorflow/tfjs';
import type { CompileOptions } from './compile-options.ts';

export const engineNames = ['tensorflow', 'webgpu', 'wasm', 'cpu'] as const;
export type EngineName = (typeof engineNames)[number];

/** Tensors by name, nested as the step likes: what a step takes and gives back. */
export type Tensors = tf.Tensor | readonly Tensors[] | { readonly [name: string]: Tensors };

/**
 * A computation on tensors without reads on the host: it takes tensors, may read and assign `tf.Variable`s, and gives
 * tensors back. Whatever changes from call to call (learning rate, step count, random seeds) is an argument or a
 * variable, because an engine may trace the step once and replay it.
 */
export type Step<Args extends readonly Tensors[], Result extends Tensors> = (...args: Args) => Result;

/** Where tensors live and are computed. One is active at a time: it is tfjs' global backend. */
export interface Engine {
  readonly name: EngineName;
  /** One line for people: what it is, its version and device. */
  readonly description: string;
  /**
   * Makes a step fast. Engines that cannot compile return the step within `tf.tidy`, so code is written once.
   * The result is owned by the caller, also where the step gives back an argument or a variable; arguments are not
   * consumed.
   */
  compile<Args extends readonly Tensors[], Result extends Tensors>(
    step: Step<Args, Result>,
    options?: CompileOptions,
  ): Step<Args, Result>;
  /** Resolves when steps compiled with `later` are computed; absent where they are when the call returns. */
  computed?(): Promise<void>;
}
