import { OptionsError } from '../../errors.ts';
import type { Head } from '../../model/head.ts';
import type { Scheme, SchemeContext, SchemeRun } from '../scheme.ts';
import { scorerOf } from '../scorer-of.ts';
import { InlinePlace } from './inline-place.ts';
import { aheadOf, type Placement } from './placement-options.ts';
import type { ScorePlace } from './place.ts';
import { ProcessPlace } from './process-place.ts';

export interface PlacedRun extends Pick<SchemeContext, 'schema' | 'scoreBatchSize' | 'presampleSize'> {
  readonly head: Head;
  readonly scheme: Scheme;
  readonly chooser: SchemeRun;
}

/**
 * The place where a run's presamples are scored; nothing if that is here and now, or if its scheme never scores any.
 *
 * @throws {OptionsError | ModelError} when they cannot be scored there
 */
export function placeScores(run: PlacedRun, placement: Placement): ScorePlace | undefined {
  const { head, scheme, chooser, schema, scoreBatchSize, presampleSize } = run;
  const isScored = chooser.scorer !== null && chooser.fetch !== 'never' && (chooser.scorer ?? scheme.score);
  if (!isScored) return undefined;
  if (placement.where === 'process') {
    if (chooser.scorer) throw remembersError(scheme);
    return new ProcessPlace(head, { scheme, schema, scoreBatchSize, presampleSize, placement });
  }
  if (aheadOf(placement) === 0) return undefined;
  return new InlinePlace(head, chooser.scorer ?? scorerOf(scheme, head, { schema, scoreBatchSize })!); // it scores
}

const remembersError = ({ name }: Scheme) =>
  new OptionsError(
    `fit(): \`score.where\`: expected a scheme whose scores follow from the model and a sample alone, got \`${name}\`, which scores by what it remembers in this process. ` +
      "Choose another, such as upper-bound, or `where: 'inline'`.",
    { scheme: name },
  );
