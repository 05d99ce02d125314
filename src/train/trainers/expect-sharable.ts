import { ParallelError } from '../../errors.ts';
import type { Scheme } from '../../importance/scheme.ts';
import type { FitOptions, FitSettings } from '../fit-options.ts';

/**
 * Checks that a run can be divided among trainers.
 *
 * A source of minibatches is refused because it divides the corpus itself: its trainer gives out jobs, counts what was
 * trained on and alone knows which; several would each train on all of it.
 *
 * @throws {ParallelError} naming what each trainer would know for itself alone
 */
export function expectSharable(
  scheme: Scheme,
  { lengths, score, ahead, fineTuning }: FitSettings,
  { source }: Pick<FitOptions, 'source'>,
): void {
  if (source)
    refuse(
      'minibatches made by each trainer',
      '`source`, a fleet that makes them for one',
      'Use one trainer with the fleet, or several that score for themselves.',
    );
  if (scheme.start)
    refuse(
      'a scheme that remembers nothing between presamples',
      `\`${scheme.name}\``,
      'Use `uniform`, `loss`, `upper-bound` or `gradient-norm`.',
    );
  if (lengths?.boundaries)
    refuse('samples to leave in their order', '`lengths.boundaries`', 'Leave the buckets out, or use one trainer.');
  if (score) refuse('scoring within the trainer', '`score`', 'Leave it out: further trainers use the cores.');
  if (ahead > 0) refuse('`ahead` 0', `${ahead}`, 'Leave it out: trainers decide together after each step.');
  if (fineTuning) refuse('one round of training', '`fineTuning`', 'Use one trainer.');
}

function refuse(expected: string, got: string, what: string): never {
  throw new ParallelError(`fit(): with several trainers, expected ${expected}, got ${got}. ${what}`, { got });
}
