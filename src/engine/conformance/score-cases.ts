import * as tf from '@tensorflow/tfjs';
import { exactNorms } from '../../model/gradient-norms.ts';
import { type Head, openHead } from '../../model/head.ts';
import type { Engine } from '../engine.ts';
import { type ConformanceCase, inputTensor, read, type Readings } from './case.ts';
import { batchOf, buildSeeded, zoo, type ZooModel } from './zoo.ts';

/** What a scheme gives samples as their scores, by the model, its inputs and targets. */
type Score = (head: Head, x: tf.Tensor, y: tf.Tensor, mask?: tf.Tensor) => tf.Tensor1D;

const exactNorm: Score = (head, x, y, mask) => exactNorms(head).of([x], [y], mask);
const scores: Readonly<Record<string, Score>> = {
  loss: (head, x, y, mask) => head.perSampleLoss(head.forward([x], false), [y], mask),
  'upper bound': (head, x, y, mask) => head.gradientNorm(head.forward([x], false), [y], mask),
  'exact gradient norm': exactNorm,
};

/** The scores of a batch, by a step that the engine compiles if it can. */
async function scoreBatch(engine: Engine, zooModel: ZooModel, score: Score, masked: boolean): Promise<Readings> {
  const model = buildSeeded(zooModel);
  model.compile({ optimizer: tf.train.sgd(0.1), loss: 'categoricalCrossentropy' });
  const head = openHead(model);
  const { x, y } = batchOf(zooModel);
  const mask = inputTensor({ ...zooModel.y, low: 0, high: 2 }, `${zooModel.name} mask`);
  const step = engine.compile((inputs: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor) =>
    score(head, inputs, targets, masked ? weights : undefined),
  );
  // as many at a time as a scheme takes
  const rows = Math.min(x.shape[0], score === exactNorm ? exactNorms(head).batchSize : Infinity);
  const scoreRows = (begin: number) =>
    tf.tidy(() => step(x.slice(begin, rows), y.slice(begin, rows), mask.slice(begin, rows)));
  try {
    const parts: Record<string, tf.Tensor> = {};
    for (let begin = 0; begin < x.shape[0]; begin += rows) parts[`scores from ${begin}`] = scoreRows(begin);
    return await read(parts);
  } finally {
    tf.dispose([x, y, mask]);
    model.optimizer.dispose();
    model.dispose();
  }
}

const scoreCase = (zooModel: ZooModel, name: string, score: Score, masked: boolean): ConformanceCase => ({
  group: 'score',
  name: `${zooModel.name}, ${name}${masked ? ' under a mask' : ''}`,
  tolerance: 5e-5,
  against: 'cpu',
  compute: (engine) => scoreBatch(engine, zooModel, score, masked),
});

/** The scores by which samples are drawn: each model's, and under a mask where a sample has many positions. */
export const scoreCases: readonly ConformanceCase[] = zoo.flatMap((model) =>
  Object.entries(scores).flatMap(([name, score]) =>
    (model.y.shape.length > 1 ? [false, true] : [false]).map((masked) => scoreCase(model, name, score, masked)),
  ),
);
