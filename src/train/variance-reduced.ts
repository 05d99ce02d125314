import * as tf from '@tensorflow/tfjs';
import { compile } from '../engine/compile.ts';
import type { VarianceReduction } from '../importance/scheme.ts';
import { bindColumns, feedOf, type Feed } from '../model/binding.ts';
import type { Head } from '../model/head.ts';
import type { Schema } from '../stream/columns.ts';
import type { Presample } from '../stream/presample.ts';
import { Slots } from './optimizers/optimizer.ts';
import {
  dataLossOf,
  lossOf,
  trainableVariables,
  untraced,
  type WeightedStep,
  type WeightedStepOptions,
} from './step.ts';

/** Steps whose gradients an anchor corrects. */
export interface AnchoredSteps {
  /** Sets the anchor: the parameters as they are, and the mean gradient there over a presample. */
  anchor(presample: Presample): void;
  readonly step: WeightedStep;
  /** Anchor, its gradient and other memory, by name. @returns borrowed */
  slots(): Readonly<Record<string, tf.Variable>>;
  dispose(): void;
}

interface Options extends WeightedStepOptions {
  readonly schema: Schema;
  readonly update: VarianceReduction;
  /** Samples in one micro-batch of the anchor's gradient: divides its work, and bounds its memory. */
  readonly microBatchSize: number;
}

/**
 * SVRG, SCSG and Katyusha on a stream: see src/importance/variance-reduced.ts for the formulas. The anchor's model is the
 * run's own with other weights, set for as long as a gradient there takes.
 */
export function anchoredSteps(head: Head, options: Options): AnchoredSteps {
  const { schema, update, microBatchSize, optimizer, compilable } = options;
  const binding = bindColumns(head.model, schema);
  const memory = new Slots();
  const trained = () => trainableVariables(head.model);
  const anchorOf = ({ name, variable }: { name: string; variable: tf.Variable }) =>
    memory.like(variable, name, 'anchor');
  const meanOf = ({ name, variable }: { name: string; variable: tf.Variable }) =>
    memory.like(variable, name, 'anchorGradient');

  const gradientOf = (loss: () => tf.Scalar) =>
    tf.variableGrads(
      loss,
      trained().map(({ variable }) => variable),
    );

  const addMicroBatch = compile((inputs: Tensors, targets: Tensors, mask: Tensors, weights: tf.Tensor1D) => {
    const { value, grads } = gradientOf(() => dataLossOf(head, feedFrom(inputs, targets, mask), weights));
    for (const one of trained()) meanOf(one).assign(tf.add(meanOf(one), grads[one.variable.name]!));
    return value;
  });

  const step = (inputs: Tensors, targets: Tensors, mask: Tensors, weights: tf.Tensor1D, learningRate: tf.Scalar) => {
    const all = trained();
    const feed = feedFrom(inputs, targets, mask);
    if (update.kind === 'katyusha') couple(all, anchorOf, memory, update.weights!);
    const here = gradientOf(() => lossOf(head, feed, weights));
    const parameters = all.map(({ variable }) => tf.clone(variable as tf.Tensor));
    for (const one of all) one.variable.assign(tf.clone(anchorOf(one)));
    const there = gradientOf(() => dataLossOf(head, feed, weights));
    all.forEach(({ variable }, i) => variable.assign(parameters[i]!));
    const corrected = all.map((one) => {
      const { name } = one.variable;
      return { ...one, gradient: tf.add(tf.sub(here.grads[name]!, there.grads[name]!), meanOf(one)) };
    });
    if (update.kind === 'katyusha') katyushaStep(corrected, learningRate, memory, update.weights![0]);
    else optimizer.apply(corrected, learningRate);
    return { loss: here.value, scores: [] as tf.Tensor1D[] };
  };
  const run = compilable ? compile(step) : untraced(step);

  return {
    anchor(presample) {
      for (const one of trained()) {
        tf.tidy(() => {
          anchorOf(one).assign(tf.clone(one.variable));
          meanOf(one).assign(tf.zerosLike(one.variable));
        });
      }
      for (let begin = 0; begin < presample.size; begin += microBatchSize) {
        const rows = Math.min(microBatchSize, presample.size - begin);
        tf.tidy(() => {
          const feed = feedOf(head.model, binding, presample);
          const part = (value: tf.Tensor) => (rows === presample.size ? value : value.slice(begin, rows));
          const weights = tf.fill([rows], rows / presample.size) as tf.Tensor1D;
          addMicroBatch(feed.inputs.map(part), feed.targets.map(part), feed.mask ? [part(feed.mask)] : [], weights);
        });
      }
    },
    step: (feed, weights, learningRate) =>
      run(feed.inputs, feed.targets, feed.mask ? [feed.mask] : [], weights, learningRate),
    slots: () => memory.all(),
    dispose: () => memory.dispose(),
  };
}

type Tensors = readonly tf.Tensor[];

const feedFrom = (inputs: Tensors, targets: Tensors, [mask]: Tensors): Feed => ({
  inputs,
  targets,
  ...(mask ? { mask } : {}),
});

type Named = { readonly name: string; readonly variable: tf.Variable };

/** Katyusha's z starts where the parameters do. */
const momentumOf = (memory: Slots, { name, variable }: Named) => memory.like(variable, name, 'momentum', variable);

/** θ = τ₁ z + τ₂ θ̃ + (1 − τ₁ − τ₂) y, into the variables, which hold y. */
function couple(
  all: readonly Named[],
  anchorOf: (one: Named) => tf.Variable,
  memory: Slots,
  [t1, t2]: readonly [number, number],
): void {
  for (const one of all) {
    const z = momentumOf(memory, one);
    const y = tf.mul(one.variable, 1 - t1 - t2);
    one.variable.assign(tf.add(y, tf.add(tf.mul(z, t1), tf.mul(anchorOf(one), t2))));
  }
}

/** z ← z − (η / τ₁) g;   y ← θ − η g. */
function katyushaStep(
  all: readonly (Named & { gradient: tf.Tensor })[],
  eta: tf.Scalar,
  memory: Slots,
  t1: number,
): void {
  for (const { gradient, ...one } of all) {
    const z = momentumOf(memory, one);
    z.assign(tf.sub(z, tf.mul(gradient, tf.div(eta, t1))));
    one.variable.assign(tf.sub(one.variable, tf.mul(gradient, eta)));
  }
}
