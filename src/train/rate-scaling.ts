import { z } from 'zod';
import { gainOf } from '../resample/noise-scale.ts';

/**
 * What a step drawn by importance multiplies the learning rate with, for the variance it has saved: its batch counts for
 * τ² as many samples.
 *
 * - `'none'`: nothing, as the paper has it.
 * - `'gain'`: (1 + n) / (1 + n / τ²) with n the gradient noise scale over b: what the noise allows, and 1 where it does
 *   not limit.
 * - `'cost'`: the same, but at most by how much longer a step has become, so that the rate a second is never more than
 *   uniform's, and no larger step is taken than the time lost asks for.
 * - `{ power, cap }`: (τ²)^power, at most `cap`; a power of 0.5 is ×τ, the square-root rule of adaptive methods.
 *
 * With momentum the velocity keeps plain gradients and the rate is applied to it, so a change of rate acts at once.
 */
export const RateScalingOptions = z.union([
  z.enum(['none', 'gain', 'cost']),
  z.strictObject({
    power: z.number().min(0).max(1).default(0.5),
    cap: z.number().min(1).default(4),
  }),
]);

export type RateScalingOptions = z.output<typeof RateScalingOptions>;

/** The largest factor of `'gain'`. */
const gainCap = 4;

/** What a factor depends on. */
export interface Circumstances {
  /** τ of the draw; 1 for a uniform step. */
  readonly tau: number;
  /** The gradient noise scale over b. */
  readonly noise: number;
  /** How many times as long a gated step takes. */
  readonly slowdown: number;
}

/** The factor of a step's learning rate. */
export function rateFactor(scaling: RateScalingOptions, { tau, noise, slowdown }: Circumstances): number {
  if (scaling === 'none' || tau <= 1) return 1;
  if (scaling === 'gain') return Math.min(gainCap, gainOf(noise, tau));
  if (scaling === 'cost') return Math.min(slowdown, gainCap, gainOf(noise, tau));
  return Math.min(scaling.cap, tau ** (2 * scaling.power));
}
