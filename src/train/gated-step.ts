import * as tf from '@tensorflow/tfjs';
import { compile } from '../engine/compile.ts';
import { bitsOf, ownDrawRows } from '../engine/draw-rows.ts';
import { EngineError, ShapeError } from '../errors.ts';
import type { HeadScore } from '../importance/scheme.ts';
import type { Feed } from '../model/binding.ts';
import type { Head } from '../model/head.ts';
import { weightedStep, type WeightedStepOptions } from './step.ts';

export interface GatedStepOptions extends Omit<WeightedStepOptions, 'compilable' | 'lastGradient' | 'score'> {
  /** By what the presample is scored. */
  readonly score: HeadScore;
}

/** What a gated step leaves behind; owned by the caller. */
export interface GatedStepTensors {
  /** The presample's scores before the step, [B]. */
  readonly scores: tf.Tensor1D;
  /** Rows drawn, [draws · b] (int32), and their weights. */
  readonly picks: tf.Tensor1D;
  readonly weights: tf.Tensor1D;
  /** Weighted mean loss and penalties of each draw, before its step. */
  readonly losses: readonly tf.Scalar[];
}

/**
 * Takes the gated step of Algorithm 1 (Katharopoulos & Fleuret 2018) on a presample of B.
 * @param uniforms a number in [0, 1) for each row to be drawn: b of them for one step, k b for k steps one after another
 */
export type GatedStep = (presample: Feed, uniforms: Float64Array, learningRate: tf.Scalar) => GatedStepTensors;

/**
 * The whole gated step as one function of an engine that compiles: scores a presample, draws from it in proportion to the
 * scores by uniform numbers, gathers the rows on the device, weighs and trains on them. Given the numbers that the stages
 * would have drawn, scores, rows and weights are theirs bit for bit, and τ is `tau(scores)` as there.
 *
 * `fit` keeps its separate stages, which tell the gate what scoring and training cost, each by itself; what this saves is
 * measured by bench/gated-step.ts, which also shows its use.
 *
 * @param batchSize b, the samples in a step
 * @throws {ShapeError} at a call, when the numbers do not make whole minibatches
 * @throws {EngineError} when the active engine cannot draw by itself; `tensorflow` can
 */
export function gatedStep(head: Head, { score, ...options }: GatedStepOptions, batchSize: number): GatedStep {
  const train = weightedStep(head, { ...options, compilable: true }, false);
  const draw = ownDrawRows();
  if (!draw)
    throw new EngineError(
      `gatedStep(): expected an engine that draws by itself, got \`${tf.getBackend()}\`. Use \`tensorflow\`, or score and draw on the host.`,
    );
  const step = (
    inputs: readonly tf.Tensor[],
    targets: readonly tf.Tensor[],
    mask: readonly tf.Tensor[],
    uniforms: tf.Tensor2D,
    learningRate: tf.Scalar,
  ) => {
    const scores = score(head, head.forward(inputs, false), targets, mask[0]);
    const { picks, weights } = draw(scores, uniforms);
    const losses = Array.from({ length: picks.size / batchSize }, (_, turn) => {
      const rows = picks.slice(turn * batchSize, batchSize);
      const gathered = (values: readonly tf.Tensor[]) => values.map((value) => tf.gather(value, rows));
      const [weightOf] = gathered(mask);
      const feed = { inputs: gathered(inputs), targets: gathered(targets), ...(weightOf && { mask: weightOf }) };
      return train(feed, weights.slice(turn * batchSize, batchSize), learningRate).loss;
    });
    return { scores, picks, weights, losses };
  };
  const run = compile(step);
  return ({ inputs, targets, mask }, uniforms, learningRate) => {
    if (uniforms.length === 0 || uniforms.length % batchSize !== 0)
      throw new ShapeError(
        `gatedStep(): expected a multiple of ${batchSize} uniform numbers, one a row, got ${uniforms.length}. Draw b of them for each step.`,
        { batchSize, got: uniforms.length },
      );
    const bits = bitsOf(uniforms);
    try {
      return run(inputs, targets, mask ? [mask] : [], bits, learningRate);
    } finally {
      bits.dispose();
    }
  };
}
