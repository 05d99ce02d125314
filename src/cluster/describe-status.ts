import { whole } from '../report/format.ts';
import type { RunStatus } from './ask-status.ts';

/** A run's status in lines for people. */
export function describeStatus(status: RunStatus): string {
  const { run, steps, gate, workers, account, ages, queued, inHand, openJobs, partsUnderWay, partsReady } = status;
  const rate = workers.reduce((sum, { samplesPerSecond }) => sum + samplesPerSecond, 0);
  const lines = [
    `run      ${run}: ${whole(steps)} steps since the trainer began; τ ${gate.tau.toFixed(3)}, gate ${gate.isOpen ? 'open' : 'shut'}`,
    `queue    ${queued} jobs wait, ${inHand} in hand, ${openJobs} open; ${partsUnderWay} presamples under way, of which ${partsReady} wait for the trainer`,
    `ages     scores were ${ages.mean.toFixed(1)} steps old on average, ${ages.largest} at most (of the last 100)`,
    `account  ${Object.entries(account)
      .map(([name, count]) => `${name} ${whole(count)}`)
      .join(', ')}`,
    `workers  ${workers.length}, ${rate.toFixed(0)} samples/s`,
    ...workers.map(
      ({ worker, machine, samples, samplesPerSecond, silentSeconds }) =>
        `         ${worker} on ${machine}: ${whole(samples)} samples, ${samplesPerSecond.toFixed(0)}/s, heard ${silentSeconds.toFixed(1)} s ago`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}
