import type * as tf from '@tensorflow/tfjs';

/** A loss of tfjs' kind: takes the target and the prediction, gives one value a sample, or one a position. */
export type LossFunction = (yTrue: tf.Tensor, yPred: tf.Tensor) => tf.Tensor;

/** A loss as it is given to `compile`. */
export type LossSpec = string | LossFunction;

/** The parts of a compiled model that tfjs keeps to itself, and that are read here and nowhere else. */
export interface Compiled {
  readonly loss?: LossSpec | LossSpec[] | Readonly<Record<string, LossSpec>>;
  readonly lossFunctions?: readonly LossFunction[];
  /** Metrics: a function of target and prediction, and the output that it is about. */
  readonly metricsTensors?: readonly (readonly [LossFunction, number])[];
  /** `loss`, then a name for each of `metricsTensors`. */
  readonly metricsNames?: readonly string[];
  /** A sequential model compiles the functional model inside it. */
  readonly model?: Compiled;
}

/** Opens what `model.compile` has left. */
export const compiledParts = (model: tf.LayersModel): Compiled => {
  const own = model as unknown as Compiled;
  return own.model ?? own;
};
