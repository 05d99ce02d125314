import { OptionsError } from '../errors.ts';
import { biased } from './biased.ts';
import { constantTime } from './constant-time.ts';
import { constantVariance } from './constant-variance.ts';
import { gradientNorm } from './gradient-norm.ts';
import { hardNegative } from './hard-negative.ts';
import { infobatch } from './infobatch.ts';
import { distanceWeighted } from './distance-weighted.ts';
import { learnedFilter } from './learned-filter.ts';
import { loss } from './loss.ts';
import { predicted } from './predicted.ts';
import { onlineBatchSelection } from './online-batch-selection.ts';
import { onlineScores } from './online-scores.ts';
import { proportionalHistory } from './proportional-history.ts';
import { randomSubset } from './random-subset.ts';
import { rhoLoss } from './rho-loss.ts';
import type { Scheme } from './scheme.ts';
import { selectiveBackprop } from './selective-backprop.ts';
import { uniform } from './uniform.ts';
import { upperBound } from './upper-bound.ts';
import { katyusha, scsg, svrg } from './variance-reduced.ts';

/**
 * Every scheme that can be chosen by name, with its own defaults.
 *
 * @example
 * Object.keys(schemes).includes('upper-bound'); // true
 */
export const schemes: Readonly<Record<string, Scheme>> = Object.fromEntries(
  [
    uniform,
    loss,
    upperBound,
    gradientNorm,
    randomSubset,
    selectiveBackprop(),
    onlineScores(),
    proportionalHistory(),
    onlineBatchSelection(),
    biased(),
    infobatch(),
    hardNegative,
    rhoLoss(),
    constantVariance(),
    constantTime(),
    svrg(),
    scsg(),
    katyusha(),
    learnedFilter(),
    predicted(),
    distanceWeighted,
  ].map((scheme) => [scheme.name, scheme]),
);

/**
 * @throws {OptionsError} when there is no scheme of that name
 *
 * @example
 * schemeOf('upper-bound').name; // 'upper-bound'
 */
export function schemeOf(choice: string | Scheme): Scheme {
  if (typeof choice !== 'string') return choice;
  const scheme = schemes[choice];
  if (scheme) return scheme;
  const names = Object.keys(schemes).join(', ');
  throw new OptionsError(`Scheme: expected one of ${names}, got \`${choice}\`. Choose one of these.`, {
    choice,
  });
}
