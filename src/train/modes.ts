import type { z } from 'zod';
import { infobatch } from '../importance/infobatch.ts';
import type { Scheme } from '../importance/scheme.ts';
import { upperBound } from '../importance/upper-bound.ts';
import type { FitValues } from './fit-options.ts';

export type Preset = Partial<z.input<typeof FitValues>>;

/**
 * Options by the name of what they are good for; an option that is given goes before its mode.
 *
 * - `paper`: Algorithm 1 of Katharopoulos & Fleuret 2018, exactly.
 * - `fast`: what is worth its cost by the clock. Without a scheme it takes `infobatch`, whose scores are those of the
 *   training steps themselves: it costs nothing, and is uniform sampling while no sample has come back, while the loss
 *   has not fallen to a quarter (with a fifth of the labels wrong it would lose otherwise), and where it has fallen to a
 *   twentieth (what is left would be learnt by heart). Its steps are as long as
 *   uniform sampling's, so that they bear its learning rate. With a scheme that scores, the gate opens where progress a second rises, weights are at most 10, and the learning rate of a gated step
 *   rises by no more than the step has become longer.
 * @example
 * modes.fast.draws; // 4
 */
export const modes: Readonly<Record<'paper' | 'fast', Preset>> = {
  paper: {},
  fast: { tauThreshold: 'progress', draws: 4, uniformFloor: 0.1, rateScaling: 'cost', hysteresis: 0.05 },
};

/** What says how presamples are scored and drawn from: who gives one of these, without a mode, means Algorithm 1 with it. */
const ofAlgorithm1 = [
  'scheme',
  'tauThreshold',
  'tauSmoothing',
  'warmUp',
  'hysteresis',
  'draws',
  'rateScaling',
  'additive',
  'adaptive',
  'power',
  'uniformFloor',
  'onBadScore',
  'score',
] as const;

/**
 * The mode of a run that may name none: `fast`, unless the options say how to score and draw, which is for `paper`.
 * docs/schemes.md has what this was decided by.
 * @example
 * modeOf({}); // 'fast'
 * modeOf({ scheme: 'upper-bound' }); // 'paper': who chooses a scheme means Algorithm 1 with it
 */
export function modeOf(options: Readonly<Record<string, unknown>>): 'paper' | 'fast' {
  const { mode } = options;
  if (mode === 'fast' || mode === 'paper') return mode;
  return ofAlgorithm1.some((name) => options[name] !== undefined) ? 'paper' : 'fast';
}

/**
 * The scheme of a run that names none.
 * @example
 * schemeOfMode('fast').name; // 'infobatch'
 */
export const schemeOfMode = (mode: 'paper' | 'fast'): Scheme =>
  mode === 'fast' ? infobatch({ whenFull: 'forget', pruneBelow: 0.25, pruneAbove: 0.05, evenSteps: true }) : upperBound;

/** Options with those of their mode, where they do not say otherwise. A mode that does not exist is left to the check. */
export function withMode(options: Readonly<Record<string, unknown>>, mode = modeOf(options)): Record<string, unknown> {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { mode, ...modes[mode], ...Object.fromEntries(given) };
}
