import * as tf from '@tensorflow/tfjs';
import type { Engine } from '../engine.ts';
import { type ConformanceCase, read, type Readings } from './case.ts';
import { batchOf, buildSeeded, zoo, type ZooModel } from './zoo.ts';

const steps = 10;

/** Weights of a model, read and named. */
const weightsOf = (model: tf.LayersModel): Promise<Readings> =>
  read(Object.fromEntries(model.getWeights().map((weight, i) => [`weight ${i}`, tf.tidy(() => weight.clone())])));

type OptimizerName = 'momentum' | 'adam';
/**
 * Adam divides by the size of a gradient. Its epsilon is large here, so that the rounding of a gradient near 0 (1e-9 of
 * 1e-7 in a wide ResNet) does not decide where a weight goes.
 */
const makeOptimizer = (name: OptimizerName): tf.Optimizer =>
  name === 'momentum' ? tf.train.momentum(0.05, 0.9) : tf.train.adam(0.01, 0.9, 0.999, 1e-4);

/** Momentum's own `dispose` forgets the learning rate that it inherits. */
function disposeOptimizer(optimizer: tf.Optimizer): void {
  optimizer.dispose();
  const rate: unknown = Reflect.get(optimizer, 'c');
  if (rate instanceof tf.Tensor) rate.dispose();
}

/** Ten steps of `trainOnBatch`: the losses on the way, and the weights at the end. */
async function train(zooModel: ZooModel, optimizerName: OptimizerName): Promise<Readings> {
  const model = buildSeeded(zooModel);
  const optimizer = makeOptimizer(optimizerName);
  const { x, y } = batchOf(zooModel);
  try {
    model.compile({ optimizer, loss: 'categoricalCrossentropy' });
    const losses: number[] = [];
    for (let i = 0; i < steps; i++) losses.push(Number(await model.trainOnBatch(x, y)));
    return { losses, ...(await weightsOf(model)) };
  } finally {
    tf.dispose([x, y]);
    disposeOptimizer(optimizer);
    model.dispose();
  }
}

/** Three steps written by hand, as `engine.compile` takes them. */
async function runCompiled(engine: Engine, zooModel: ZooModel, optimizerName: OptimizerName): Promise<Readings> {
  const model = buildSeeded(zooModel);
  const optimizer = makeOptimizer(optimizerName);
  const { x, y } = batchOf(zooModel);
  const variables = model.trainableWeights
    .map((weight) => weight.read())
    .filter((weight) => weight instanceof tf.Variable);
  const step = engine.compile((input: tf.Tensor, target: tf.Tensor): tf.Tensor => {
    const loss = () => {
      const predicted = model.apply(input, { training: true });
      if (!(predicted instanceof tf.Tensor)) throw new TypeError(`${zooModel.name}: expected one output`);
      return tf.neg(target.mul(predicted.clipByValue(1e-7, 1).log()).sum(-1).mean()).asScalar();
    };
    const { value, grads } = tf.variableGrads(loss, variables);
    optimizer.applyGradients(grads);
    return value;
  });
  try {
    const losses: Record<string, tf.Tensor> = {};
    for (let i = 0; i < 3; i++) losses[`loss ${i}`] = step(x, y);
    return { ...(await read(losses)), ...(await weightsOf(model)) };
  } finally {
    tf.dispose([x, y]);
    disposeOptimizer(optimizer);
    model.dispose();
  }
}

/** Ten steps of each small model against `cpu`: rounding differs from engine to engine, and training multiplies it. */
export const trainingCases: readonly ConformanceCase[] = zoo.flatMap((model) =>
  (['momentum', 'adam'] as const).map((optimizer): ConformanceCase => ({
    group: 'training',
    name: `${model.name}, ${steps} steps of ${optimizer}`,
    tolerance: 5e-4,
    against: 'cpu',
    compute: () => train(model, optimizer),
  })),
);

/** A compiled training step against the same step run op by op. */
export const compiledCases: readonly ConformanceCase[] = zoo.flatMap((model) =>
  (['momentum', 'adam'] as const).map((optimizer): ConformanceCase => ({
    group: 'compiled',
    name: `${model.name}, a step of ${optimizer}`,
    tolerance: 1e-5,
    against: 'eager',
    compute: (engine) => runCompiled(engine, model, optimizer),
  })),
);
