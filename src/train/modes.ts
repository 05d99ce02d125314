import type { z } from 'zod';
import type { FitValues } from './fit-options.ts';

type Preset = Partial<z.input<typeof FitValues>>;

/**
 * Options by the name of what they are good for; an option that is given goes before its mode.
 *
 * - `paper`: Algorithm 1 of Katharopoulos & Fleuret 2018, exactly.
 * - `fast`: what is worth its cost by the clock.
 */
export const modes: Readonly<Record<'paper' | 'fast', Preset>> = {
  paper: {},
  fast: { tauThreshold: 'progress', draws: 4, uniformFloor: 0.1, rateScaling: 'gain', hysteresis: 0.05 },
};

/** Options with those of their mode, where they do not say otherwise. A mode that does not exist is left to the check. */
export function withMode(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { mode } = options;
  const preset = mode === 'fast' || mode === 'paper' ? modes[mode] : {};
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...preset, ...Object.fromEntries(given) };
}
