import { ParallelError } from '../../errors.ts';
import type { Scheme } from '../../importance/scheme.ts';
import type { FitSettings } from '../fit-options.ts';

/**
 * Checks that a run can be divided among trainers.
 * @throws {ParallelError} naming what each trainer would know for itself alone
 */
export function expectSharable(scheme: Scheme, { lengths, score, ahead, fineTuning }: FitSettings): void {
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
