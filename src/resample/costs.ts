/**
 * What scoring and training cost here, learned from the clock, and the τ at which importance sampling breaks even.
 *
 *     break-even:  τ > (B f / k + b s) / (b s)
 *
 * | symbol | here             | unit                    |
 * |--------|------------------|-------------------------|
 * | f      | `scoreMs`        | ms a scored sample      |
 * | s      | `stepMs`         | ms a trained sample     |
 * | k      | `draws`          | minibatches a presample |
 *
 * With f = 1 and s = 3 (a backward pass costs two forward passes) this is the paper's (B + 3b) / 3b. Measured costs
 * differ: on a small CNN a backward pass was 1.3 forward passes, so scoring was dearer than assumed.
 * @example
 * const costs = new Costs();
 * costs.scored(640, 12); // samples, milliseconds
 * costs.trained(128, 8);
 */
export class Costs {
  #scoreMs = 0;
  #stepMs = 0;

  /** Milliseconds to score `samples` samples. */
  scored(samples: number, milliseconds: number): void {
    this.#scoreMs = average(this.#scoreMs, milliseconds / samples);
  }

  /** Milliseconds to train on `samples` samples, once. */
  trained(samples: number, milliseconds: number): void {
    this.#stepMs = average(this.#stepMs, milliseconds / samples);
  }

  /** What was learned, to go on with after a stop. */
  state(): { readonly scoreMs: number; readonly stepMs: number } {
    return { scoreMs: this.#scoreMs, stepMs: this.#stepMs };
  }

  restore({ scoreMs, stepMs }: { readonly scoreMs: number; readonly stepMs: number }): void {
    this.#scoreMs = scoreMs;
    this.#stepMs = stepMs;
  }

  /** Milliseconds to score, and to train on, one sample: as measured, or else in the paper's proportion of 1 to 3. */
  get perSample(): { readonly score: number; readonly step: number } {
    const known = this.#scoreMs > 0 && this.#stepMs > 0;
    return known ? { score: this.#scoreMs, step: this.#stepMs } : { score: 1, step: 3 };
  }

  /** How much longer a gated step takes than a uniform one: 1 where scoring costs nothing. */
  slowdown(presampleSize: number, batchSize: number, draws = 1): number {
    const { score, step } = this.perSample;
    return ((presampleSize * score) / draws + batchSize * step) / (batchSize * step);
  }

  /** The τ above which a gated step is worth its cost. Until both costs are known: by the paper's assumption. */
  breakEven(presampleSize: number, batchSize: number, draws = 1): number {
    return this.slowdown(presampleSize, batchSize, draws);
  }
}

/** A moving average over about ten measurements, so that one slow step (a collected heap, a first call) fades soon. */
const average = (past: number, now: number): number => (past === 0 ? now : 0.9 * past + 0.1 * now);
