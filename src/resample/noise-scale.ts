/**
 * The gradient noise scale: the batch size at which noise and signal of the gradient are equal. Below it noise limits a
 * step, far above it samples are wasted.
 *
 *     N = tr(Σ) / |G|²          McCandlish et al. 2018, arXiv:1812.06162, the "simple" noise scale
 *
 * Two gradients of successive, independent minibatches tell it for the price of a dot product: E[g_t · g_{t−1}] = |G|²
 * while the parameters hardly move, and E|g_t|² = |G|² + tr(Σ) / (b τ²), τ² being what the draw has saved (1 if uniform).
 *
 * | symbol | here                | unit                         |
 * |--------|---------------------|------------------------------|
 * | Σ      |                     | covariance of the samples' gradients |
 * | b τ²   | `effectiveSamples`  | samples                      |
 * | N      | `value`             | samples                      |
 *
 * Both parts are averaged before the division, because their quotient is biased where the parts are noisy.
 * @example
 * const scale = new NoiseScale();
 * for (let step = 0; step < 20; step++) scale.observe(3, 1, 64); // |g|², its product with the last, samples
 * scale.value; // 128: with batches of 64, noise limits the steps
 * gainOf(scale.value / 64, 2); // 2: by this factor a step gains when τ is 2
 */
export class NoiseScale {
  readonly #smoothing: number;
  #signal = 0;
  #noise = 0;
  observations = 0;

  /** @param smoothing weight of the past in the averages, in [0, 1); the default averages over about 100 steps */
  constructor(smoothing = 0.99) {
    this.#smoothing = smoothing;
  }

  /** @param squaredNorm |g_t|² @param product g_t · g_{t−1} @param effectiveSamples b τ² of g_t */
  observe(squaredNorm: number, product: number, effectiveSamples: number): void {
    const a = this.#smoothing;
    this.#signal = a * this.#signal + (1 - a) * product;
    this.#noise = a * this.#noise + (1 - a) * (squaredNorm - product) * effectiveSamples;
    this.observations += 1;
  }

  /** N in samples: 0 until enough was seen, `Infinity` where no signal stands out. */
  get value(): number {
    if (this.observations < 20 || this.#noise <= 0) return 0;
    return this.#signal <= 0 ? Infinity : this.#noise / this.#signal;
  }

  state(): readonly number[] {
    return [this.#signal, this.#noise, this.observations];
  }

  /** @param state what `state` gave; what was saved earlier has a number more, before the last */
  restore([signal = 0, noise = 0, ...rest]: readonly number[]): void {
    [this.#signal, this.#noise, this.observations] = [signal, noise, rest.at(-1) ?? 0];
  }
}

/**
 * By what factor a step gains when its variance falls by τ²: the progress of a step at its best rate is proportional to
 * 1 / (1 + N / batch).
 *
 *     gain = (1 + n) / (1 + n / τ²),   n = N / b          between 1 and min(τ², 1 + n)
 *
 * It is also the factor by which the learning rate may rise: Johnson et al. 2020 (AdaScale), arXiv:2007.05105.
 * @example
 * gainOf(2, 2); // 2: where noise is twice the signal, four times less of it doubles the progress
 */
export function gainOf(n: number, tau: number): number {
  if (n === Infinity) return tau ** 2;
  return (1 + n) / (1 + n / tau ** 2);
}

/**
 * The τ above which a gated step makes more progress a second than a uniform one.
 *
 *     gain(τ) > c   ⇔   τ² > n c / (1 + n − c)          c: how many times as long a gated step takes
 *
 * Infinite where noise does not limit the step: 1 + n ≤ c, no reduction of variance pays for the scoring.
 * @example
 * progressBreakEven(2, 1.5); // 1.41: from this τ on a step that takes half as long again pays
 * progressBreakEven(0.2, 1.5); // Infinity: noise hardly limits the step
 */
export function progressBreakEven(n: number, slowdown: number): number {
  if (n === Infinity) return Math.sqrt(slowdown);
  return 1 + n <= slowdown ? Infinity : Math.sqrt((n * slowdown) / (1 + n - slowdown));
}
