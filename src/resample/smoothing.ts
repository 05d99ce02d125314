import { z } from 'zod';

/**
 * What may be done to scores before they become probabilities, so that no weight grows large: in the order of the lines.
 *
 *     s ← s + c                                additive, with `additive` = c
 *     s ← s + a · mean of past mean scores     adaptive, with `adaptive` = a
 *     s ← s^p                                  `power` = p
 *     g ← (1 − λ) g + λ / B                    `uniformFloor` = λ; no weight 1 / (B g) exceeds 1 / λ then
 *
 * Whatever they are, the weights are made from the g that was drawn by, and stay unbiased.
 */
export const SmoothingOptions = z.strictObject({
  /** Added to every score, c. @default 0 */
  additive: z.number().nonnegative().default(0),
  /** Share of the moving average of the mean score that is added to every score, a. @default 0 */
  adaptive: z.number().nonnegative().default(0),
  /** Power of the scores, p: 0 is uniform, 1 leaves them. @default 1 */
  power: z.number().nonnegative().default(1),
  /** Share of the draw that is uniform, λ in [0, 1]. @default 0 */
  uniformFloor: z.number().min(0).max(1).default(0),
});

export type SmoothingOptions = Readonly<z.output<typeof SmoothingOptions>>;

/** Weight of the past in the moving average of the mean score. */
const past = 0.9;

/** Smooths scores; remembers the average of their means. */
export class Smoothing {
  readonly #options: SmoothingOptions;
  #average = 0;
  #mass = 0;

  constructor(options: SmoothingOptions) {
    this.#options = options;
  }

  /** Whether it leaves scores and probabilities as they are. */
  get isIdentity(): boolean {
    const { additive, adaptive, power, uniformFloor } = this.#options;
    return additive === 0 && adaptive === 0 && power === 1 && uniformFloor === 0;
  }

  /** @returns scores [B], the same array where there is nothing to do */
  scores(scores: ArrayLike<number> /* [B] */): ArrayLike<number> {
    const { additive, adaptive, power } = this.#options;
    if (additive === 0 && adaptive === 0 && power === 1) return scores;
    let sum = 0;
    for (let i = 0; i < scores.length; i++) sum += scores[i]!;
    const mean = sum / scores.length;
    this.#average = past * this.#average + (1 - past) * mean;
    this.#mass = past * this.#mass + (1 - past);
    const more = additive + (adaptive * this.#average) / this.#mass;
    return Float64Array.from(scores, (score) => (score + more) ** power);
  }

  /** @returns g [B], sums to 1 */
  floor(g: Float64Array /* [B] */): Float64Array {
    const { uniformFloor } = this.#options;
    return uniformFloor === 0 ? g : g.map((gi) => (1 - uniformFloor) * gi + uniformFloor / g.length);
  }
}
