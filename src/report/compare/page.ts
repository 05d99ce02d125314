import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { words } from '../format.ts';
import { escape, htmlPage, tableRow } from '../html-page.ts';
import type { Comparison, CurvePoint } from './compare.ts';
import { cellsOf } from './table.ts';
import { describeBudget } from './verdict.ts';

/** What a curve shows. */
interface Panel {
  readonly title: string;
  readonly x: 'seconds' | 'step';
  readonly label: string;
  readonly log: boolean;
  readonly value: (point: CurvePoint) => number | undefined;
}

const STYLE = `  body { max-width: 66rem; }
  .verdict { border-left: 4px solid #4269d0; padding: .4rem .8rem; background: #f3f6fc; }
  table { margin: 1rem 0; display: block; overflow-x: auto; }
  th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid #e2e6ee; white-space: nowrap; }
  th:first-child, td:first-child { text-align: left; }
  .legend span { display: inline-block; margin-right: 1rem; } .legend i { display: inline-block; width: .9em; height: .9em; border-radius: 2px; margin-right: .35em; vertical-align: -.1em; }`;

/**
 * A page of its own, without scripts or anything to load: table, verdict, and curves over wall-clock and over steps.
 * @example
 * const comparison = await compare(pipeline, { schemes: ['uniform', 'upper-bound'], steps: 5, seeds: 2 }, engine);
 * const html = comparisonPage(comparison); // to be served, or mailed
 */
export function comparisonPage(comparison: Comparison): string {
  const title = `${comparison.pipeline}: schemes compared`;
  const [head = [], ...rows] = cellsOf(comparison);
  const facts = [
    `${describeBudget(comparison.budget)} a run`,
    `seeds ${comparison.seeds.join(', ')}`,
    `learning rate ${comparison.learningRate}`,
    comparison.engine,
  ];
  const main = `<h1>${escape(title)}</h1>
<p class="facts">${facts.map(escape).join(' · ')}</p>
<p class="verdict">${escape(comparison.verdict.sentence)}</p>
<table>${tableRow(head, 'th')}${rows.map((cells) => tableRow(cells, 'td')).join('')}</table>
<p class="legend">${comparison.schemes.map((scheme, i) => `<span><i style="background:${colour(i)}"></i>${escape(scheme)}</span>`).join('')}</p>
<div class="curves">
${panelsOf(comparison)
  .map((panel) => `<figure><figcaption>${escape(panel.title)}</figcaption>${curves(comparison, panel)}</figure>`)
  .join('\n')}
</div>
<p class="facts">Thin lines are single runs. The loss of training is that of the minibatches with their weights: comparable
for schemes that are unbiased, too high for those that prefer hard samples. The table's train loss is measured on the
same training samples for all.</p>`;
  return htmlPage({ title, style: STYLE, main });
}

function panelsOf(comparison: Comparison): Panel[] {
  const last = comparison.runs[0]!.measures;
  const measure = 'bitsPerCharacter' in last ? 'bitsPerCharacter' : 'loss';
  const axes = ['seconds', 'step'] as const;
  const validated = comparison.runs.some(({ curve }) => curve.some(({ validation }) => validation));
  const accuracy = Object.keys(last).find((name) => name.startsWith('acc'));
  const over = { seconds: comparison.budget.clock === 'processor' ? 'processor time' : 'wall-clock', step: 'steps' };
  const of = (title: string, value: Panel['value'], log: boolean) =>
    axes.map((x): Panel => ({
      title: `${title} over ${over[x]}`,
      x,
      label: x === 'seconds' ? 'seconds' : 'steps',
      log,
      value,
    }));
  return [
    ...(validated ? of(`Validation: ${words(measure)}`, (point) => point.validation?.[measure], false) : []),
    ...(accuracy === undefined
      ? []
      : of('Test error, %', ({ validation }) => validation && 100 * (1 - validation[accuracy]!), false)),
    ...of('Loss of training', (point) => point.loss, true),
    ...of('Smoothed τ', (point) => point.tau, false),
  ];
}

const colours = [
  '#4269d0',
  '#efb118',
  '#ff725c',
  '#6cc5b0',
  '#3ca951',
  '#ff8ab7',
  '#a463f2',
  '#97bbf5',
  '#9c6b4e',
  '#9498a0',
];
const colour = (index: number) => colours[index % colours.length]!;

/** What is used of linkedom's page: a document of the browser's interface, under declarations of its own. */
interface Page {
  readonly document: NonNullable<Plot.PlotOptions['document']>;
}

/** One panel's lines, a run each, as SVG. */
function curves({ runs, schemes }: Comparison, { x, label, log, value }: Panel): string {
  const points = runs.flatMap(({ scheme, seed, curve }) =>
    curve.flatMap((point) => {
      const y = value(point);
      return y === undefined || !Number.isFinite(y) || (log && y <= 0)
        ? []
        : [{ x: point[x], y, scheme, run: `${scheme} ${seed}` }];
    }),
  );
  const { document } = parseHTML('<html><body></body></html>') as unknown as Page;
  const plot = Plot.plot({
    document,
    width: 480,
    height: 280,
    marginLeft: leftMargin(points.map(({ y }) => y)),
    x: { label },
    y: { type: log ? 'log' : 'linear', label: null, grid: true },
    color: { domain: [...schemes], range: schemes.map((_, i) => colour(i)) },
    marks: [Plot.line(points, { x: 'x', y: 'y', z: 'run', stroke: 'scheme', strokeWidth: 1.2, strokeOpacity: 0.8 })],
  });
  return plot.outerHTML;
}

/** Room for the labels of a vertical axis: values that differ late after the point, as τ near 1 does, have long ones. */
function leftMargin(values: readonly number[]): number {
  const [low, high] = values.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
  const step = (high - low) / 10;
  const digits = step > 0 ? Math.max(0, Math.ceil(-Math.log10(step))) : 0;
  const longest = Math.max(
    ...[low, high].filter(Number.isFinite).map((value) => value.toFixed(Math.min(digits, 20)).length),
    1,
  );
  return Math.max(50, 16 + 6.5 * longest);
}
