import { z } from 'zod';
import { parseOptions } from '../options.ts';
import type { Gate } from '../stream/gate.ts';
import { Minibatch, type Draw } from '../stream/minibatch.ts';
import type { Scored } from '../stream/presample.ts';
import { createRng, type Rng } from '../stream/random.ts';
import type { Stage } from '../stream/stage.ts';
import { drawWithReplacement, importanceWeights, probabilities } from './draw.ts';

export const ResampleOptions = z.strictObject({
  /** Samples drawn from each scored presample, the paper's b. @default 128 – the paper's CIFAR setting */
  batchSize: z.int().positive().default(128),
  /** Base of every draw: the same seed and presamples give the same minibatches. */
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1),
});

export type ResampleOptions = z.input<typeof ResampleOptions> & {
  readonly gate: Gate;
  /** Replaces the generator made from `seed`, to go on from a saved state. */
  readonly rng?: Rng;
};

/**
 * Turns scored presamples into weighted minibatches. In the importance phase it draws b rows with replacement by g and
 * weighs each by 1 / (B g), and tells the gate the scores; in the uniform phase it passes the buffer on, with weights 1.
 *
 * Each presample is released when the minibatch drawn from it is disposed.
 *
 * @throws {OptionsError} when an option is unknown or out of range
 * @example
 * for await (const batch of resample({ gate, batchSize: 128, seed: 7 })(scored)) batch.dispose();
 */
export function resample(options: ResampleOptions): Stage<Scored, Minibatch> {
  const { gate, rng: given, ...rest } = options;
  const { batchSize, seed } = parseOptions('resample()', ResampleOptions, rest);
  const rng = given ?? createRng(seed, 'resample');

  return async function* (source) {
    for await (const { presample, scores, version } of source) {
      if (scores) gate.observe(scores);
      const tau = gate.tau;
      const draw = scores
        ? drawByScore(scores, batchSize, rng, { tau, version })
        : passOn(presample.size, { tau, version });
      const minibatch = new Minibatch(presample, draw);
      presample.release();
      yield minibatch;
    }
  };
}

type Circumstances = Pick<Draw, 'tau' | 'version'>;

function drawByScore(scores: Float32Array /* [B] */, count: number, rng: Rng, at: Circumstances): Draw {
  const g = probabilities(scores);
  const weightOf = importanceWeights(g);
  const picks = drawWithReplacement(g, count, rng);
  return { phase: 'importance', picks, weights: Float32Array.from(picks, (row) => weightOf[row]!), ...at };
}

const passOn = (size: number, at: Circumstances): Draw => ({
  phase: 'uniform',
  picks: Int32Array.from({ length: size }, (_, row) => row),
  weights: new Float32Array(size).fill(1),
  ...at,
});
