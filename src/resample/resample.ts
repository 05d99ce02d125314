import { z } from 'zod';
import { parseOptions, Seed } from '../options.ts';
import type { Gate } from '../stream/gate.ts';
import { Minibatch, type Draw } from '../stream/minibatch.ts';
import type { Scored } from '../stream/presample.ts';
import { proportional, type Selection } from '../stream/selection.ts';
import { createRng, type Rng } from '../stream/random.ts';
import type { Stage } from '../stream/stage.ts';
import { select } from './select.ts';
import { Smoothing, SmoothingOptions } from './smoothing.ts';
import { tau as tauOf } from './tau.ts';

export const ResampleOptions = z.strictObject({
  /** Samples drawn from each scored presample, the paper's b. @default 128 – the paper's CIFAR setting */
  batchSize: z.int().positive().default(128),
  /** Minibatches drawn from each scored presample. @default 1 – Algorithm 1 */
  draws: z.int().positive().max(10_000).default(1),
  ...SmoothingOptions.shape,
  /** Base of every draw: the same seed and presamples give the same minibatches. */
  seed: Seed,
});

export type ResampleOptions = z.input<typeof ResampleOptions> & {
  readonly gate: Gate;
  /** How rows are drawn and weighed. @default Algorithm 1 */
  readonly selection?: Selection;
  /** Share of the run's budget that is used up, for selections that change with it. @default always 0 */
  readonly share?: () => number;
  /** How many minibatches to draw from the next presample, in place of `draws`. */
  readonly drawCount?: () => number;
  /** Weight of a sample that is passed on in the uniform phase. @default 1 */
  readonly weightOf?: (id: string) => number;
  /** Replaces the generator made from `seed`, to go on from a saved state. */
  readonly rng?: Rng;
};

/**
 * Turns scored presamples into weighted minibatches. In the importance phase it tells the gate the scores and draws as
 * the selection says: by Algorithm 1 b rows with replacement by g, each weighed by 1 / (B g). In the uniform phase it
 * passes the buffer on, with weights 1. Presamples without scores are passed on, too, unless a selection
 * is given: then all scores count as equal. Where a presample is of a bucket of lengths, its minibatches have the bucket's
 * size, and its samples the weight of the bucket on top.
 *
 * Each presample is released when the last minibatch drawn from it is disposed.
 *
 * @throws {OptionsError} when an option is unknown or out of range
 * @example
 * for await (const batch of resample({ gate, batchSize: 128, seed: 7 })(scored)) batch.dispose();
 */
export function resample(options: ResampleOptions): Stage<Scored, Minibatch> {
  const { gate, rng: given, selection, share = () => 0, drawCount, weightOf, ...rest } = options;
  const { batchSize, seed, draws: times, ...smooth } = parseOptions('resample()', ResampleOptions, rest);
  const rng = given ?? createRng(seed, 'resample');
  const smoothing = new Smoothing(smooth);

  const draw = ({ presample, scores, version }: Scored): Draw[] => {
    if (presample.drawn) return [...presample.drawn];
    if (scores) gate.observe(scores);
    const at = { tau: gate.tau, version };
    if (presample.phase === 'uniform' || (!scores && !selection))
      return [weighed(passOn(presample.ids, at, weightOf), presample.weight)];
    const known = scores ?? new Float32Array(presample.size).fill(1);
    const moment = { tau: scores ? tauOf(scores) : 1, share: share() };
    const picked = select(known, moment, {
      selection: selection ?? proportional,
      smoothing,
      batchSize,
      ...(presample.batchSize !== undefined && { bucketShare: presample.batchSize / batchSize }),
      draws: drawCount?.() ?? times,
      rng,
    });
    return picked.map((pick, turn) =>
      weighed({ phase: 'importance', ...pick, ...at, turn, turns: picked.length }, presample.weight),
    );
  };

  return async function* (source) {
    for await (const scored of source) {
      const draws = draw(scored);
      const minibatches = draws.map((one, i) => new Minibatch(scored.presample, { ...one, rest: draws.slice(i + 1) }));
      scored.presample.release();
      try {
        while (minibatches.length > 0) yield minibatches.shift()!;
      } finally {
        for (const left of minibatches) left.dispose();
      }
    }
  };
}

/** A draw whose samples weigh so much for the buffer that they came in. */
const weighed = (draw: Draw, weight: number): Draw =>
  weight === 1 ? draw : { ...draw, weights: draw.weights.map((own) => own * weight) };

const passOn = (
  ids: readonly string[],
  at: Pick<Draw, 'tau' | 'version'>,
  weightOf: (id: string) => number = () => 1,
): Draw => ({
  phase: 'uniform',
  picks: Int32Array.from(ids, (_, row) => row),
  weights: Float32Array.from(ids, weightOf),
  ...at,
});
