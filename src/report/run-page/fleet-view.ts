import { significant, whole } from '../format.ts';
import { escape, tableRow } from '../html-page.ts';
import type { RunData } from './read-run.ts';

/** Who scores for a run that is going on, what waits, and how old scores are; of one that has ended, its account. */
export function fleetView({ run, fleet }: RunData): string {
  const { source } = run.summary ?? {};
  if (source) return `<h2>Fleet</h2><p>${escape(accountOf(source))}.</p>`;
  if (!fleet || run.status !== 'running') return '';
  const { workers, queued, inHand, openJobs, partsUnderWay, partsReady, ages, account } = fleet;
  const rate = workers.reduce((sum, { samplesPerSecond }) => sum + samplesPerSecond, 0);
  const server =
    queued === undefined || inHand === undefined
      ? 'The server is away.'
      : `${whole(queued)} jobs wait on the server, ${whole(inHand)} are in hand.`;
  const people = workers.map(({ worker, machine, samples, samplesPerSecond, silentSeconds }) =>
    tableRow(
      [worker, machine, whole(samples), significant(samplesPerSecond), `${silentSeconds.toFixed(1)} s ago`],
      'td',
    ),
  );
  const table =
    people.length === 0
      ? '<p>No worker is there: <code>taustream score-worker FILE --cluster …</code> starts one.</p>'
      : `<table class="fleet">${tableRow(['worker', 'machine', 'samples scored', 'a second', 'heard'], 'th')}${people.join('')}</table>`;
  return `<h2>Fleet, at ${escape(fleet.at.slice(11, 19))} UTC</h2>
<p>${whole(workers.length)} workers score ${significant(rate)} samples a second. ${server} ${whole(openJobs)} jobs are open, ${whole(partsUnderWay)} presamples under way, of which ${whole(partsReady)} wait for the trainer. Scores were ${significant(ages.mean)} steps old on average and ${whole(ages.largest)} at most.</p>
${table}
<p class="facts">${escape(accountOf(account))}</p>`;
}

const accountOf = (account: object): string =>
  Object.entries(account)
    .map(([name, count]) => `${name} ${whole(Number(count))}`)
    .join(', ');
