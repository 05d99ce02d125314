import { z } from 'zod';
import { parseOptions } from '../options.ts';
import { createRng } from '../stream/random.ts';
import type { Scheme, SchemeRun, VarianceReduction } from './scheme.ts';

const Common = z.strictObject({
  /** Samples in the batch at whose gradient the steps are anchored, in minibatches. @default 10 – the authors' code */
  anchorBatches: z.int().positive().default(10),
  /** Steps taken from one anchor; their number on average for SCSG. @default as many as the anchor has minibatches */
  steps: z.int().positive().optional(),
});
const KatyushaOptions = Common.extend({
  /** Weights of the momentum and of the anchor. @default [0.5, 0.5] – the authors' code */
  weights: z.tuple([z.number().min(0).max(1), z.number().min(0).max(1)]).default([0.5, 0.5]),
});

/**
 * Steps along gradients whose noise an anchor takes out: θ̃ is an earlier θ, μ the mean gradient there over a large batch.
 *
 *     g = ∇L_batch(θ) − ∇L_batch(θ̃) + μ          Johnson & Zhang 2013
 *
 * The large batch is a presample; the minibatches are drawn from it, uniformly and with replacement. The model's own
 * optimizer takes the step with g.
 * @example
 * await fit(model, corpus, { scheme: svrg({ anchorBatches: 4 }), steps: 5, batchSize: 32, seed: 7 });
 */
export const svrg = (options: z.input<typeof Common> = {}): Scheme => {
  const { anchorBatches, steps = anchorBatches } = parseOptions('svrg()', Common, options);
  return named('svrg', anchorBatches, { kind: 'svrg' }, () => () => steps);
};

/**
 * SVRG with a random number of steps to each anchor, geometric with mean `steps`: Lei & Jordan 2017, arXiv:1609.03261.
 *
 * @example
 * await fit(model, corpus, { scheme: scsg({ anchorBatches: 4 }), steps: 5, batchSize: 32, seed: 7 });
 */
export const scsg = (options: z.input<typeof Common> = {}): Scheme => {
  const { anchorBatches, steps = anchorBatches } = parseOptions('scsg()', Common, options);
  return named('scsg', anchorBatches, { kind: 'scsg' }, (seed) => {
    const rng = createRng(seed, 'scsg');
    // P(N = n) = (1/m) (1 − 1/m)^(n−1), n ≥ 1; cut off at 20 m, past which lie 2e-9 of the mass.
    return () =>
      Math.min(20 * steps, 1 + Math.floor(Math.log(1 - rng.uniform()) / Math.log(1 - 1 / Math.max(steps, 1.5))));
  });
};

/**
 * SVRG accelerated with a momentum that is drawn back to the anchor: Allen-Zhu 2017, arXiv:1603.05953.
 *
 *     θ = τ₁ z + τ₂ θ̃ + (1 − τ₁ − τ₂) y;   z ← z − (η / τ₁) g(θ);   y ← θ − η g(θ)
 *
 * with η their 1 / (3 L). It is an optimizer of its own: the model's is not used.
 * @example
 * const scheme = katyusha({ anchorBatches: 4 });
 * await fit(model, corpus, { scheme, steps: 5, batchSize: 32, seed: 7 });
 */
export const katyusha = (options: z.input<typeof KatyushaOptions> = {}): Scheme => {
  const { anchorBatches, steps = anchorBatches, weights } = parseOptions('katyusha()', KatyushaOptions, options);
  return named('katyusha', anchorBatches, { kind: 'katyusha', weights }, () => () => steps);
};

const named = (
  name: string,
  anchorBatches: number,
  update: VarianceReduction,
  counts: (seed: number) => () => number,
): Scheme => ({
  name,
  start: ({ batchSize, seed }): SchemeRun => ({
    scorer: null,
    fetch: 'always',
    presampleSize: anchorBatches * batchSize,
    drawCount: counts(seed),
    selection: { draw: 'multinomial' },
    update,
  }),
});
