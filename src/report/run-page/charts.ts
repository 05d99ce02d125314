import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { words } from '../format.ts';
import type { RunData, Span } from './read-run.ts';

/** A picture of its own, as SVG, and what it shows. */
export interface Chart {
  readonly title: string;
  readonly svg: string;
}

/** What is used of linkedom's page: a document of the browser's interface, under declarations of its own. */
interface Page {
  readonly document: NonNullable<Plot.PlotOptions['document']>;
}

const [blue, orange, shade] = ['#4269d0', '#d95f02', '#f6d9b8'];

function chart(title: string, marks: Plot.Markish[], options: Plot.PlotOptions = {}): Chart {
  const { document } = parseHTML('<html><body></body></html>') as unknown as Page;
  const plot = Plot.plot({
    document,
    width: 480,
    height: 240,
    marginLeft: 56,
    ...options,
    x: { label: 'steps', ...options.x },
    y: { label: null, grid: true, tickFormat: '~g', ...options.y },
    marks,
  });
  return { title, svg: plot.outerHTML };
}

const line = (data: readonly object[], x: string, y: string, stroke = blue): Plot.Markish =>
  Plot.line([...data], { x, y, stroke, strokeWidth: 1.3 });

/** Everything about a run that is a curve. */
export function chartsOf(data: RunData): Chart[] {
  const { spans } = data;
  if (spans.length === 0) return [];
  const gate = gateShades(data);
  const curve = (title: string, value: keyof Span, scale = 1, options: Plot.PlotOptions = {}) =>
    chart(
      title,
      [
        line(
          spans.map((span) => ({ step: span.step, value: scale * span[value] })),
          'step',
          'value',
        ),
      ],
      options,
    );
  const isPositive = spans.every(({ loss }) => loss > 0);
  const loss = { y: { type: isPositive ? 'log' : 'linear' } } as const;
  return [
    chart('Loss of training over steps', [line(spans, 'step', 'loss')], loss),
    chart('Loss of training over wall-clock', [line(spans, 'seconds', 'loss')], { ...loss, x: { label: 'seconds' } }),
    ...validationCharts(data),
    chart('Smoothed τ; shaded where the gate was open', [...gate, line(spans, 'step', 'tau')]),
    ...scoreCharts(data),
    curve('Effective sample size of what was scored, samples', 'ess', 1, { y: { zero: true } }),
    curve('Samples trained on a second', 'samplesPerSecond', 1, { y: { zero: true } }),
    curve('Time waited for data, %', 'waitedShare', 100, { y: { zero: true } }),
    curve('Learning rate', 'lr', 1, { y: { zero: true } }),
    curve('Resident memory, MB', 'rssBytes', 1e-6, { y: { zero: true } }),
  ];
}

/** A shade at each interval with the gate open; too short to be seen, they are joined. */
function gateShades({ open, steps }: RunData): Plot.Markish[] {
  const joined: { from: number; to: number }[] = [];
  for (const { from, to } of open) {
    const last = joined.at(-1);
    if (last && from - last.to <= steps / 800) last.to = to;
    else joined.push({ from: from - 1, to });
  }
  return joined.length === 0 ? [] : [Plot.rectX(joined, { x1: 'from', x2: 'to', fill: shade })];
}

function validationCharts({ validation }: RunData): Chart[] {
  const names = [...new Set(validation.flatMap((at) => Object.keys(at.validation ?? {})))];
  return names.map((name) => {
    const points = validation.map((at) => ({ step: at.step, value: at.validation?.[name] }));
    return chart(`Validation: ${words(name)}`, [
      line(points, 'step', 'value', orange),
      Plot.dot(points, { x: 'step', y: 'value', fill: orange, r: 2 }),
    ]);
  });
}

/** The scores' shares of 5, 25, 50, 75 and 95 %, as bands about the median. */
function scoreCharts({ scores }: RunData): Chart[] {
  if (scores.length === 0) return [];
  const points = scores.map(({ step, scores: [, p5, p25, p50, p75, p95] }) => ({ step, p5, p25, p50, p75, p95 }));
  const band = (y1: string, y2: string, fillOpacity: number) =>
    Plot.areaY(points, { x: 'step', y1, y2, fill: blue, fillOpacity });
  return [
    chart('Scores: median, middle half, and 5 to 95 %', [
      band('p5', 'p95', 0.15),
      band('p25', 'p75', 0.3),
      line(points, 'step', 'p50'),
    ]),
  ];
}
