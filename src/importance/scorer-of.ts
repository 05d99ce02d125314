import type { Head } from '../model/head.ts';
import { modelScorer, type Scorer } from './model-scorer.ts';
import type { Scheme, SchemeContext } from './scheme.ts';

/** What scores presamples for a scheme by model and samples alone; nothing for one that never scores. */
export const scorerOf = (
  scheme: Scheme,
  head: Head,
  { schema, scoreBatchSize }: Pick<SchemeContext, 'schema' | 'scoreBatchSize'>,
): Scorer | undefined =>
  scheme.scorer?.(head, { schema, scoreBatchSize }) ??
  (scheme.score && modelScorer(head, { scheme, schema, scoreBatchSize }));
