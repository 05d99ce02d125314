import { ClusterError, OptionsError } from '../errors.ts';
import type { SourceContext } from '../train/batch-source.ts';
import type { FleetSettings } from './cluster-options.ts';
import type { Connection } from './connect.ts';
import { pack } from './protocol.ts';

/** Places of the corpus that the run is to go through. @throws {OptionsError} when they cannot be told */
export function placesIn({ corpus, values }: SourceContext): number {
  if (values.epochs === undefined) return Infinity;
  if (corpus.length !== undefined) return values.epochs * corpus.length;
  throw new OptionsError(
    `fleet(): expected a corpus that tells its length to train for \`epochs\`, got \`${corpus.name}\`, which does not. Give \`steps\` or \`seconds\`.`,
  );
}

/** @throws {OptionsError} when what the run asks for cannot be done elsewhere */
export function expectPlain({ scheme, values }: SourceContext): void {
  if (scheme.start)
    throw new OptionsError(
      `fleet(): \`scheme\`: expected one whose scores follow from the model and a sample alone, got \`${scheme.name}\`, which remembers what it has seen. Choose upper-bound, loss, gradient-norm or uniform.`,
      { scheme: scheme.name },
    );
  if (values.lengths?.boundaries)
    throw new OptionsError(
      'fleet(): `lengths.boundaries`: expected none, got some: samples would wait in buckets beyond the job they came in. Leave them out.',
    );
  if (values.score?.where === 'process')
    throw new OptionsError('fleet(): expected scoring on other machines or in another process, got both. Choose one.');
}

/** @throws {ClusterError} when a trainer of the run is at work */
export async function expectAlone({ nats, where }: Connection, subject: string, run: string): Promise<void> {
  const asked = await nats.request(subject, pack({ kind: 'status' }), { timeout: 1000 }).catch(() => undefined);
  if (asked)
    throw new ClusterError(
      `${where}: expected no other trainer of run \`${run}\`, got one at work. Stop it first, or give this run another name.`,
      { run },
    );
}

/** What a trainer ends with that nobody gives minibatches. */
export const starvedError = (
  { run, patienceSeconds }: Pick<FleetSettings, 'run' | 'patienceSeconds'>,
  waitedMs: number,
  workers: number,
): ClusterError =>
  new ClusterError(
    `fleet(): expected a minibatch within ${patienceSeconds} s, got none for ${Math.round(waitedMs / 1000)} s from ${workers} workers. ` +
      `Start some with \`npx taustream score-worker FILE --cluster …\` for run \`${run}\`, or look at what they say.`,
    { run, workers },
  );
