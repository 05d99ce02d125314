import { z } from 'zod';
import { parseOptions } from '../options.ts';
import { createRng, rngFrom, type Rng } from '../stream/random.ts';
import { loss } from './loss.ts';
import type { Scheme, SchemeRun } from './scheme.ts';
import { shareUpTo } from './selective-backprop.ts';

export const LearnedFilterOptions = z.strictObject({
  /** Training steps to one reward. @default 20 – guess */
  episodeSteps: z.int().positive().default(20),
  /** The policy's learning rate. @default 0.05 – guess */
  learningRate: z.number().positive().default(0.05),
  /** Samples, held out of training, on whose loss the reward is measured. @default 128 – guess */
  rewardSamples: z.int().positive().default(128),
  /** Share of the samples that is held out for it. @default 0.05 – guess */
  heldOutShare: z.number().gt(0).lt(1).default(0.05),
});

/** What the policy sees of a sample: a constant, its loss against recent ones as a rank, the loss itself, the budget used. */
const features = 5;

/**
 * A small policy keeps or drops each sample, and learns by REINFORCE from how much the loss of held-out samples falls.
 *
 *     P(keep i) = sigmoid(φ · f_i);   φ ← φ + η (R − R̄) Σ_i ∇_φ log P(a_i | f_i)          Fan et al. 2017, arXiv:1702.08635
 *
 * f_i: 1, the rank of the loss among recent ones and its square, log(1 + loss), the share of the budget. R is the fall of
 * the held-out loss per step in an episode of steps, R̄ its moving average. What it costs besides the scoring (the policy
 * and the rewards) is told in the run's state.
 *
 * DEVIATION: a linear policy, rewarded along one training run, where they train it over several runs before.
 * @throws {OptionsError} when an option is out of range
 * @example
 * const scheme = learnedFilter({ episodeSteps: 10 });
 * await fit(model, corpus, { scheme, steps: 5, batchSize: 32, presampleSize: 128, seed: 7 });
 */
export function learnedFilter(options: z.input<typeof LearnedFilterOptions> = {}): Scheme {
  const values = parseOptions('learnedFilter()', LearnedFilterOptions, options);
  return {
    name: 'learned-filter',
    score: loss.score!,
    start: ({ seed, share, heldOut }): SchemeRun => {
      const policy = new Policy(values.learningRate, createRng(seed, 'policy'));
      const validation = heldOut(values.heldOutShare, values.rewardSamples);
      let [steps, before, overheadMs] = [0, Number.NaN, 0];
      return {
        fetch: 'always',
        admit: (id) => !validation.has(id),
        selection: {
          draw: 'keep',
          chances: (losses) => policy.decide(losses, share()),
          weightPower: 0,
        },
        async stepped() {
          steps += 1;
          if (steps % values.episodeSteps !== 0) return;
          const begun = performance.now();
          const now = await validation.loss();
          if (Number.isFinite(before)) policy.reward((before - now) / Math.max(before, 1e-6));
          before = now;
          overheadMs += performance.now() - begun;
        },
        dispose: () => validation.dispose(),
        state: () => ({ policy: policy.state(), overheadMs, steps, before }),
        restore(state) {
          const saved = state as { policy: PolicyState; overheadMs: number; steps: number; before: number }; // what `state` gave
          policy.restore(saved.policy);
          ({ overheadMs, steps, before } = saved);
        },
      };
    },
  };
}

interface PolicyState {
  readonly weights: readonly number[];
  readonly trace: readonly number[];
  readonly rng: readonly number[];
  readonly decisions: number;
  /** Null before the first reward. */
  readonly baseline: number | null;
  readonly spread: number;
  readonly recent: readonly number[];
}

/** A logistic policy over a sample's features, with its trace of decisions since the last reward. */
export class Policy {
  readonly #weights = new Float64Array(features);
  readonly #trace = new Float64Array(features);
  readonly #rate: number;
  #rng: Rng;
  #decisions = 0;
  #baseline: number | undefined;
  #spread = 0;
  #recent: number[] = [];

  constructor(rate: number, rng: Rng) {
    this.#rate = rate;
    this.#rng = rng;
    this.#weights[0] = 1; // it begins by keeping most
  }

  /** Keeps (1) or drops (0) each sample, and remembers by how much each decision hangs on the parameters. */
  decide(losses: Float32Array /* [B] */, share: number): number[] {
    this.#recent = [...this.#recent, ...losses].slice(-1024);
    const sorted = Float64Array.from(this.#recent).toSorted();
    return Array.from(losses, (value) => {
      const rank = shareUpTo(sorted, value) / sorted.length;
      const seen = [1, rank, rank ** 2, Math.log1p(value), share];
      const keep = this.chanceOf(seen);
      const kept = this.#rng.uniform() < keep ? 1 : 0;
      seen.forEach((feature, j) => (this.#trace[j]! += (kept - keep) * feature));
      this.#decisions += 1;
      return kept;
    });
  }

  /** P(keep), kept within [0.05, 0.95] so that every sample can come, and can teach. */
  chanceOf(seen: readonly number[]): number {
    const logit = seen.reduce((sum, feature, j) => sum + feature * this.#weights[j]!, 0);
    return Math.min(0.95, Math.max(0.05, 1 / (1 + Math.exp(-logit))));
  }

  /** One step of REINFORCE with a baseline, and a new episode. */
  reward(value: number): void {
    const advantage = value - (this.#baseline ?? value);
    this.#baseline = 0.8 * (this.#baseline ?? value) + 0.2 * value;
    this.#spread = 0.8 * this.#spread + 0.2 * Math.abs(advantage);
    // Rewards shrink as the loss does, so the advantage is told in its own spread; and a trace grows as √n.
    const relative = this.#spread === 0 ? 0 : Math.max(-3, Math.min(3, advantage / this.#spread));
    const scale = (this.#rate * relative) / Math.sqrt(Math.max(1, this.#decisions));
    this.#trace.forEach((sum, j) => (this.#weights[j]! += scale * sum));
    this.#trace.fill(0);
    this.#decisions = 0;
  }

  parameters(): Float64Array {
    return this.#weights.slice();
  }

  /** All that it must remember to go on. */
  state(): PolicyState {
    return {
      weights: [...this.#weights],
      trace: [...this.#trace],
      rng: this.#rng.state(),
      decisions: this.#decisions,
      baseline: this.#baseline ?? null,
      spread: this.#spread,
      recent: [...this.#recent],
    };
  }

  restore(state: PolicyState): void {
    this.#weights.set(state.weights);
    this.#trace.set(state.trace);
    this.#rng = rngFrom(state.rng);
    this.#decisions = state.decisions;
    this.#baseline = state.baseline ?? undefined;
    this.#spread = state.spread;
    this.#recent = [...state.recent];
  }
}
