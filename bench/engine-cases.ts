import * as tf from '@tensorflow/tfjs';
import { smallCnn } from '../src/model/small-cnn.ts';
import { wideResnet } from '../src/model/wide-resnet.ts';
import { fuse } from '../src/engine/layers/fuse.ts';
import { lstmSequence } from '../src/engine/layers/lstm-sequence.ts';
import { loadTensorflow, sparseSoftmaxCrossEntropy } from '../src/engine/tensorflow/index.ts';
import { useEngine } from '../src/engine/use-engine.ts';
import { adam } from '../src/train/optimizers/adam.ts';
import { sgd } from '../src/train/optimizers/momentum.ts';
import type { Optimizer } from '../src/train/optimizers/optimizer.ts';

await useEngine('tensorflow'); // so that what the toolkit itself compiles is compiled, too

/** The engine whose steps are measured. */
export const engine = await loadTensorflow();

export interface Case {
  readonly name: string;
  readonly title: string;
  /** Steps a round. */
  readonly steps: number;
  /** Makes the step; it gives the loss, so that the work is done when it is read. */
  make(): () => tf.Tensor;
}

const randomClasses = (shape: number[], classes: number) => tf.randomUniform(shape, 0, classes, 'int32');

/** Mean cross-entropy of logits [N, C] with classes [N]. */
const crossEntropy = (logits: tf.Tensor2D, classes: tf.Tensor): tf.Scalar =>
  sparseSoftmaxCrossEntropy(logits, classes.flatten().toInt()).losses.mean().asScalar();

/** A training step with one of the toolkit's own optimizers. */
function training(model: tf.LayersModel, x: tf.Tensor, classes: tf.Tensor, optimizer: Optimizer): () => tf.Tensor {
  fuse(model);
  const weights = model.trainableWeights.flatMap((weight) => {
    const variable = weight.read();
    return variable instanceof tf.Variable ? [{ name: weight.originalName, variable }] : [];
  });
  const step = engine.compile((input: tf.Tensor, labels: tf.Tensor, rate: tf.Scalar) => {
    const loss = () => {
      const output = model.apply(input, { training: true });
      if (!(output instanceof tf.Tensor)) throw new TypeError('the models of this bench have one output');
      return crossEntropy(output.reshape([-1, output.shape.at(-1) ?? 1]), labels);
    };
    const { value, grads } = tf.variableGrads(
      loss,
      weights.map(({ variable }) => variable),
    );
    const trained = weights.map((weight) => {
      const gradient = grads[weight.variable.name] ?? tf.zerosLike(weight.variable);
      return { ...weight, gradient };
    });
    optimizer.apply(trained, rate);
    return value;
  });
  const rate = tf.scalar(optimizer.learningRate);
  return () => step(x, classes, rate);
}

function lstm(steps: number, batch: number, input: number, size: number, hasGradient = true): () => tf.Tensor {
  const x = tf.randomNormal<tf.Rank.R3>([batch, steps, input]);
  const weights = [[input, 4 * size], [size, 4 * size], [4 * size]].map((shape) =>
    tf.variable(tf.randomNormal(shape, 0, 0.05)),
  );
  const step = engine.compile((sequence: tf.Tensor3D) => {
    const forward = () => {
      const [kernel, recurrent, bias] = weights;
      if (!kernel || !recurrent || !bias) throw new RangeError('an LSTM has three weights');
      const { outputs } = lstmSequence(
        sequence,
        kernel.as2D(input, 4 * size),
        recurrent.as2D(size, 4 * size),
        bias.as1D(),
        {
          recurrentActivation: 'sigmoid',
        },
      );
      return outputs.sum().asScalar();
    };
    if (!hasGradient) return [forward()];
    const { value, grads } = tf.variableGrads(forward, weights);
    return [value, ...Object.values(grads)];
  });
  return () => {
    const [value, ...gradients] = step(x);
    tf.dispose(gradients);
    if (!value) throw new RangeError('a step gives its loss');
    return value;
  };
}

/** WRN-28-2 and the small CNN, up to their logits. */
export const wrn = (): tf.LayersModel => wideResnet({ logits: true, seed: 1 });
export const cnn = (): tf.LayersModel => smallCnn({ halvedBy: 'maximum', logits: true, seed: 1 });

export const charLstm = () =>
  tf.sequential({
    layers: [
      tf.layers.embedding({ inputDim: 80, outputDim: 64, inputLength: 64 }),
      tf.layers.lstm({
        units: 256,
        returnSequences: true,
        recurrentActivation: 'sigmoid',
        recurrentInitializer: 'glorotUniform',
      }),
      tf.layers.dense({ units: 80 }),
    ],
  });

export const cases: readonly Case[] = [
  {
    name: 'lstm-64',
    title: 'LSTM T 64, B 64, I 128, H 256, forward + backward',
    steps: 8,
    make: () => lstm(64, 64, 128, 256),
  },
  {
    name: 'lstm-784',
    title: 'LSTM T 784, B 32, I 1, H 128, forward + backward',
    steps: 4,
    make: () => lstm(784, 32, 1, 128),
  },
  {
    name: 'lstm-forward',
    title: 'LSTM T 64, B 640, I 64, H 256, forward alone, as when scoring',
    steps: 4,
    make: () => lstm(64, 640, 64, 256, false),
  },
  {
    name: 'wide-resnet',
    title: 'WRN-28-2, b 32, 32x32x3, SGD momentum',
    steps: 3,
    make: () =>
      training(
        wrn(),
        tf.randomNormal([32, 32, 32, 3]),
        randomClasses([32], 10),
        sgd({ learningRate: 0.01, momentum: 0.9 }),
      ),
  },
  {
    name: 'small-cnn',
    title: 'small CNN, b 128, 28x28, SGD momentum',
    steps: 60,
    make: () =>
      training(
        cnn(),
        tf.randomNormal([128, 28, 28, 1]),
        randomClasses([128], 10),
        sgd({ learningRate: 0.01, momentum: 0.9 }),
      ),
  },
  {
    name: 'char-lstm',
    title: 'char LSTM T 64, B 64, 80 characters, embedding 64, H 256, Adam',
    steps: 8,
    make: () =>
      training(charLstm(), randomClasses([64, 64], 80), randomClasses([64, 64], 80), adam({ learningRate: 1e-3 })),
  },
];
