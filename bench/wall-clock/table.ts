/** The comparison's tables, from whatever runs there are. */
import { holm, pairedTest, spreadOf } from '../../src/report/compare/statistics.ts';
import { describeBudget } from '../../src/report/compare/verdict.ts';
import { criterion, sameBudget, type Result } from './results.ts';

/** A Markdown table for each task, budget and rate. The rates' sweep is left out: its seeds are its own. */
export function tablesOf(results: readonly Result[], sweepSeed: number): string {
  const runs = results.filter(({ seed }) => seed < sweepSeed);
  const groups: Result[][] = [];
  for (const run of runs) {
    const group = groups.find(
      ([first]) => first!.task === run.task && first!.rate === run.rate && sameBudget(first!.budget, run.budget),
    );
    if (group) group.push(run);
    else groups.push([run]);
  }
  return groups.map(tableOf).join('\n');
}

function tableOf(runs: readonly Result[]): string {
  const [{ task, budget, measures, rate }] = runs as [Result];
  const schemes = [...new Set(['uniform', ...runs.map(({ scheme }) => scheme)])];
  const bySeed = new Map(runs.filter(({ scheme }) => scheme === 'uniform').map((run) => [run.seed, run]));
  const pairs = schemes.map((scheme) =>
    runs.flatMap((run) =>
      run.scheme === scheme && bySeed.has(run.seed) ? [{ run, uniform: bySeed.get(run.seed)! }] : [],
    ),
  );
  const tests = pairs.map((pair) =>
    pairedTest(
      pair.map(({ run }) => criterion(run)),
      pair.map(({ uniform }) => criterion(uniform)),
    ),
  );
  const adjusted = holm(tests.map(({ p }, i) => (i === 0 ? undefined : p)));
  const share = measures['acc'] !== undefined;
  const value = (number: number) => (share ? `${(100 * number).toFixed(2)} %` : number.toFixed(4));
  const rows = pairs.flatMap((pair, i) => {
    if (pair.length === 0) return [];
    const of = (get: (run: Result) => number) => spreadOf(pair.map(({ run }) => get(run)));
    const error = of(criterion);
    const base = spreadOf(pair.map(({ uniform }) => criterion(uniform))).mean;
    const against =
      i === 0
        ? ''
        : `${signed((100 * tests[i]!.mean) / base)} %${adjusted[i] === undefined ? '' : `, p ${adjusted[i].toPrecision(2)}`}`;
    const cells = [
      `\`${schemes[i]}\``,
      `${value(error.mean)} ± ${value(error.deviation)}`,
      of(({ trainLoss }) => trainLoss).mean.toPrecision(3),
      i === 0 ? '' : fallOf(pair.map(({ run, uniform }) => Math.log(uniform.trainLoss / run.trainLoss))),
      of(({ steps }) => steps).mean.toFixed(0),
      `${(100 * of(({ openShare }) => openShare).mean).toFixed(0)} %`,
      of(({ meanTau }) => meanTau).mean.toFixed(2),
      `${pair.length}`,
      against,
    ];
    return [`| ${cells.join(' | ')} |`];
  });
  const head = [
    'scheme',
    share ? 'test error' : 'bits a character',
    'train loss',
    'uniform’s, over it',
    'steps',
    'open',
    'τ',
    'seeds',
  ];
  return [
    `**${task}**, ${describeBudget(budget)} a run, uniform's best rate (${rate} × the task's own)`,
    '',
    `| ${[...head, 'against uniform'].join(' | ')} |`,
    `|${' --- |'.repeat(9)}`,
    ...rows,
    '',
  ].join('\n');
}

/** By what factor the train loss is lower, as a geometric mean, and whether that is more than noise. */
function fallOf(logarithms: readonly number[]): string {
  const { mean, p } = pairedTest(
    logarithms,
    logarithms.map(() => 0),
  );
  return `${Math.exp(mean).toPrecision(2)}${p === undefined ? '' : `, p ${p.toPrecision(2)}`}`;
}

const signed = (value: number) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(1)}`;
