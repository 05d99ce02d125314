import { percent, significant, whole } from '../format.ts';
import type { Comparison } from './compare.ts';
import type { Spread } from './statistics.ts';

const value = (spread: Spread, form: (value: number) => string): string =>
  `${form(spread.mean)} ± ${form(spread.deviation)}`;

/** The head and the rows of the table of a comparison, as texts. */
export function cellsOf({ verdict }: Comparison): string[][] {
  const measure = verdict.isShare ? (share: number) => `${(100 * share).toFixed(2)} %` : significant;
  const head = ['scheme', verdict.criterion, 'train loss', 'steps', 'open', 'τ', 'against the first'];
  const rows = verdict.rows.map(({ scheme, criterion, trainLoss, steps, openShare, meanTau, difference }) => [
    scheme,
    value(criterion, measure),
    value(trainLoss, significant),
    value(steps, whole),
    percent(openShare.mean),
    meanTau.mean.toFixed(2),
    difference
      ? `${difference.mean < 0 ? '−' : '+'}${measure(Math.abs(difference.mean))}${difference.p === undefined ? '' : `, p ${difference.p.toPrecision(2)}`}`
      : '',
  ]);
  return [head, ...rows];
}

/**
 * The table for a terminal, and the sentence below it.
 * @example
 * const comparison = await compare(pipeline, { schemes: ['uniform', 'upper-bound'], steps: 5, seeds: 2 }, engine);
 * console.log(comparisonText(comparison));
 */
export function comparisonText(comparison: Comparison): string {
  const cells = cellsOf(comparison);
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const lines = cells.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n\n${comparison.verdict.sentence}\n`;
}
