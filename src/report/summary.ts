import type { Colors } from 'picocolors/types.js';
import type { FitSummary } from '../train/step-record.ts';
import { duration, percent, sharesByName, significant, whole, words } from './format.ts';

const stops: Readonly<Record<FitSummary['stoppedBy'], string>> = {
  steps: 'stopped by its number of steps',
  seconds: 'stopped by the clock',
  epochs: 'stopped by its number of epochs',
  end: 'the corpus ended',
  plateau: 'stopped: the validation gets no better',
  signal: 'interrupted',
};

/** Compares a run's start and end, in lines for people. @returns text that ends with a line break */
export function describeSummary(name: string, summary: FitSummary, colors: Colors): string {
  const { first = {}, last = {}, best = {} } = summary.validation;
  const rows: [string, string][] = [['training loss', change(summary.firstLoss, summary.lastLoss)]];
  for (const [measure, value] of Object.entries(last)) {
    const record = best[measure];
    const note = record !== undefined && record !== value ? ` (best ${significant(record)})` : '';
    rows.push([`validation ${words(measure)}`, change(first[measure], value) + note]);
  }
  const dropped = summary.samplesDropped ? `, ${whole(summary.samplesDropped)} left out as too long` : '';
  rows.push(
    ['τ gate', `open in ${percent(summary.openShare)} of the steps, mean τ ${significant(summary.meanTau)}`],
    [
      'samples',
      `${whole(summary.samplesSeen)} seen, ${whole(summary.samplesTrained)} trained on, ${whole(summary.samplesPerSecond)} a second${dropped}`,
    ],
    ...(summary.samplesByCorpus
      ? [['of each corpus', sharesByName(summary.samplesByCorpus)] satisfies [string, string]]
      : []),
    ['waited for data', `${percent(summary.waitedShare)} of the time`],
  );
  const width = Math.max(...rows.map(([label]) => label.length));
  const title = `${colors.bold(name)}: ${whole(summary.steps)} steps (${summary.epochs.toFixed(1)} epochs) in ${duration(summary.seconds)}, ${stops[summary.stoppedBy]}`;
  return `${[title, ...rows.map(([label, text]) => `  ${colors.dim(label.padEnd(width))}  ${text}`)].join('\n')}\n`;
}

const change = (first: number | undefined, last: number): string =>
  first === undefined ? significant(last) : `${significant(first)} → ${significant(last)}`;
