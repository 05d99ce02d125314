import * as tf from '@tensorflow/tfjs';
import { EngineError } from '../../errors.ts';
import type { Engine } from '../engine.ts';
import type { TensorflowEngine } from '../tensorflow/tensorflow-engine.ts';
import { fuse } from '../layers/fuse.ts';
import { type ConformanceCase, inputTensor, read, type Readings, weightedSum } from './case.ts';

const [batch, steps, features, units] = [3, 7, 4, 5];

/** How an engine stands with cuDNN; every engine but `tensorflow` is without it. */
export const cudnnOf = (engine: Engine): TensorflowEngine['cudnn'] =>
  'cudnn' in engine ? (engine as TensorflowEngine).cudnn : 'absent'; // no other engine has that member

function assertUsed(engine: Engine): void {
  const state = cudnnOf(engine);
  if (state === 'on' || state === 'absent') return; // absent: this case alone is what is tested
  throw new EngineError(
    `conformance: expected LSTM layers to run on cuDNN, but it is ${state}. The warning TAUSTREAM_NO_CUDNN says why.`,
    { state },
  );
}

/** An LSTM, under a mask or not: its outputs, and the gradients by its input and weights, as one compiled step. */
function compute(engine: Engine, withMask: boolean, isFast: boolean): Promise<Readings> {
  const lstm = tf.layers.lstm({ units, recurrentActivation: 'sigmoid', returnSequences: true, returnState: true });
  const input = tf.input({ shape: [steps, features] });
  const masked = withMask ? tf.layers.masking({ maskValue: 0 }).apply(input) : input;
  // symbols went in, so symbols come out
  const model = tf.model({ inputs: input, outputs: lstm.apply(masked) as tf.SymbolicTensor[] });
  if (isFast) fuse(model);
  const variables = lstm.trainableWeights.map((weight) => weight.read()).filter((each) => each instanceof tf.Variable);
  const step = engine.compile((x: tf.Tensor): tf.Tensor[] => {
    const outputs = model.apply(x, { training: true }) as tf.Tensor[]; // several outputs come as a list
    const { grads } = tf.variableGrads(() => weightedSum(model.apply(x) as tf.Tensor[]), variables);
    // the mask of a masking layer comes from its input, which has no gradient therefore
    const byInput = withMask ? [] : [tf.grad((each) => weightedSum(model.apply(each) as tf.Tensor[]))(x)];
    return [...outputs, ...byInput, ...variables.map(({ name }) => grads[name]!)];
  });
  const x = tf.tidy(() => {
    const values = inputTensor({ shape: [batch, steps, features] }, 'cudnn input');
    // steps of zeros are masked: a gap in the first sequence, the end of the second, all of the third
    const counts = tf.tensor3d([1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [batch, steps, 1]);
    const weights = variables.map(({ shape }, i) => inputTensor({ shape, low: -0.5, high: 0.5 }, `cudnn ${i}`));
    model.setWeights(weights);
    return withMask ? values.mul(counts) : values;
  });
  try {
    const results = step(x);
    if (isFast) assertUsed(engine);
    return read(Object.fromEntries(results.map((result, i) => [`result ${i}`, result])));
  } finally {
    x.dispose();
    model.dispose();
  }
}

/** LSTM layers on cuDNN, whose products may be of TF32: 10 bits after the point. */
export const cudnnCases: readonly ConformanceCase[] = [false, true].map((withMask) => ({
  group: 'layer',
  name: withMask ? 'lstm on cuDNN under a mask' : 'lstm on cuDNN',
  tolerance: 5e-3,
  against: 'cpu',
  compute: (engine) => compute(engine, withMask, true),
  reference: (engine) => compute(engine, withMask, false),
}));
