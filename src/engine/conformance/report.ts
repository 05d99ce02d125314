import type { Engine } from '../engine.ts';
import type { CaseResult } from './run-conformance.ts';

const mark = { passed: 'ok  ', failed: 'FAIL', skipped: 'skip' } as const;

/** One line about a case, as it goes. */
export const conformanceLine = ({ group, name, status, worst, tolerance, reason }: CaseResult): string => {
  const what = `${mark[status]} ${group.padEnd(8)} ${name}`;
  if (status === 'skipped') return `${what}: ${reason}`;
  const figures = `${worst.toExponential(1)} of ${tolerance.toExponential(0)}`;
  return status === 'failed' ? `${what}: ${reason} (${figures})` : `${what} (${figures})`;
};

/**
 * A report fit for an issue: the machine, the engine, what failed and was skipped, and the counts on the last line.
 *
 * @example
 * const results = [];
 * for await (const result of runConformance(engine)) results.push(result);
 * console.log(conformanceReport(engine, results));
 */
export function conformanceReport(engine: Engine, results: readonly CaseResult[]): string {
  const of = (status: CaseResult['status']) => results.filter((result) => result.status === status);
  const seconds = results.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / 1000;
  return [
    `engine: ${engine.name} (${engine.description})`,
    `machine: ${process.platform} ${process.arch}, Node ${process.version}`,
    ...[...of('failed'), ...of('skipped')].map(conformanceLine),
    `${of('passed').length} passed, ${of('failed').length} failed, ${of('skipped').length} skipped in ${seconds.toFixed(1)} s`,
  ].join('\n');
}
