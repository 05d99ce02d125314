import type { Answer, Request } from './jobs.ts';
import type { JobScorer } from './job-scorer.ts';
import type { Region } from './shared-file.ts';

/*
 * The scoring process: answers requests one after the other, and ends when its channel closes, so it never outlives the
 * trainer, however that ended.
 */

/** The descriptor of the shared file, behind those of Node's own: 0, 1, 2 and the channel. */
export const sharedDescriptor = 4;

process.on('disconnect', () => process.exit());
// Requests may come at once; what answers them takes a while to load.
const parts = Promise.all([import('./job-scorer.ts'), import('./failure.ts'), import('./shared-file.ts')]);
let scorer: JobScorer | undefined;
let parametersHeld: number | undefined;
let last = Promise.resolve();
process.on('message', (request: Request<Region>) => {
  last = respond(last, request);
});

async function respond(before: Promise<void>, request: Request<Region>): Promise<void> {
  await before;
  const answer = await answerTo(request);
  process.send?.(answer, () => {}); // an error here means that nobody listens any more
}

async function answerTo(request: Request<Region>): Promise<Answer> {
  const { id } = request;
  const [{ JobScorer: Scorer }, { failureOf }, { readRegion }] = await parts;
  try {
    if (request.kind === 'open') {
      scorer = await Scorer.open(request.recipe);
      return { id, kind: 'opened', engine: scorer.engine.description };
    }
    const { version, parameters, rows, columns, data } = request.job;
    const opened = scorer!; // the first request opens it
    if (parametersHeld !== parameters.stamp) opened.setParameters(readRegion(sharedDescriptor, parameters));
    parametersHeld = parameters.stamp;
    return {
      id,
      kind: 'scored',
      scores: await opened.score(rows, columns, readRegion(sharedDescriptor, data)),
      version,
    };
  } catch (error) {
    return { id, kind: 'failed', failure: failureOf(error) };
  }
}
