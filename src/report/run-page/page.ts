import { bytes, duration, percent, sharesByName, significant, whole, words } from '../format.ts';
import type { Run } from '../run-file.ts';
import { chartsOf } from './charts.ts';
import { escape, htmlPage, tableRow } from '../html-page.ts';
import { fleetView } from './fleet-view.ts';
import type { RunData } from './read-run.ts';
import { sampleView } from './sample-view.ts';

const STYLE = `  th, td { padding: .2rem .8rem .2rem 0; text-align: left; border-bottom: 1px solid #e2e6ee; vertical-align: top; }
  .curves { grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: 1.2rem; }
  .bar { background: #e9edf5; border-radius: 3px; height: 6px; } .bar i { display: block; background: #4269d0; border-radius: 3px; height: 6px; }
  .running { color: #1a7f37; } .failed { color: #b42318; } .samples td:last-child { overflow-wrap: anywhere; } code { white-space: pre-wrap; }
  img { image-rendering: pixelated; height: 64px; }`;

/** A page of runs. @param script run on the page, for one that changes */
export const page = (title: string, main: string, script = ''): string =>
  htmlPage({ title, style: STYLE, main, script });

/** A run's page. */
export const runPage = (data: RunData): string => page(data.run.name, runMain(data));

/** What a run's page shows, as HTML. */
export function runMain(data: RunData): string {
  const { run, last } = data;
  const facts = [
    run.engine.description ?? run.engine.name,
    `seed ${run.seed}`,
    `${run.model.name}, ${whole(run.model.parameters)} parameters`,
    run.corpus.name,
    `begun ${run.startedAt}`,
    ...(run.resumed ?? []).map(({ step }) => `gone on with after step ${whole(step)}`),
  ];
  const share = last?.share ?? 0;
  return `<h1>${escape(run.name)} <small class="${run.status}">${run.status}</small></h1>
<p class="facts">${facts.map(escape).join(' · ')}</p>
<div class="bar"><i style="width: ${(100 * share).toFixed(1)}%"></i></div>
<p>${escape(summarySentence(data))}</p>
${run.error === undefined ? '' : `<p class="failed">${escape(run.error)}</p>`}
<div class="curves">
${chartsOf(data)
  .map(({ title, svg }) => `<figure><figcaption>${escape(title)}</figcaption>${svg}</figure>`)
  .join('\n')}
</div>
${fleetView(data)}${agesTable(data)}${stagesTable(run)}${samplesTable(data)}
<h2>Options and versions</h2>
<table>${factRows(run)
    .map(([name, value]) => `<tr><th>${escape(name)}</th><td>${escape(value)}</td></tr>`)
    .join('')}</table>`;
}

export function summarySentence({ last, steps, validation, open }: RunData): string {
  if (!last) return 'No step was taken yet.';
  const measured = Object.entries(validation.at(-1)?.validation ?? {});
  const opened = open.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  const parts = [
    `${whole(steps)} steps (${percent(last.share)}) in ${duration(last.seconds)}`,
    `loss ${significant(last.loss)}`,
    ...measured.map(([name, value]) => `validation ${words(name)} ${significant(value)}`),
    `gate open in ${percent(opened / steps)} of the steps`,
    `τ ${significant(last.tau)}`,
    `${whole(last.samplesTrained / last.seconds)} samples a second`,
    bytes(last.rssBytes),
    ...(last.samplesByCorpus ? [`samples of ${sharesByName(last.samplesByCorpus)}`] : []),
  ];
  return `${parts.join(', ')}.`;
}

const seconds = (ms: number): string => duration(ms / 1000);

function stagesTable({ summary }: Run): string {
  const stages = Object.entries(summary?.stages ?? {});
  if (stages.length === 0) return '';
  const rows = stages.map(([name, { taken, given, waitedUpstreamMs, waitedDownstreamMs }]) =>
    tableRow([name, whole(taken), whole(given), seconds(waitedUpstreamMs), seconds(waitedDownstreamMs)], 'td'),
  );
  return `<h2>Time waited at each stage</h2>
<table>${tableRow(['stage', 'items taken', 'given', 'waited to be given', 'waited to be asked'], 'th')}${rows.join('')}</table>`;
}

/** Shown where scores were ever older than the step that they were used for. */
function agesTable({ ages }: RunData): string {
  if (!ages.some(({ to }) => to > 0)) return '';
  const rows = ages.map(({ from, to, steps, drawTau, freshTau }) =>
    tableRow(
      [
        from === to ? `${from}` : `${from}–${to}`,
        whole(steps),
        significant(drawTau),
        freshTau === undefined ? 'not measured' : significant(freshTau),
      ],
      'td',
    ),
  );
  return `<h2>τ by the age of the scores</h2>
<table>${tableRow(['age, steps', 'steps drawn', 'τ by the scores drawn by', 'τ by scores of the step itself'], 'th')}${rows.join('')}</table>`;
}

function samplesTable({ samples, characters }: RunData): string {
  if (samples.length === 0) return '';
  const rows = samples.map(
    (sample) =>
      `<tr><td>${whole(sample.drawn)} ×</td><td>${escape(sample.id)}</td><td>${sampleView(sample, characters)}</td></tr>`,
  );
  return `<h2>Samples drawn most by importance</h2><table class="samples">${rows.join('')}</table>`;
}

const factRows = ({ options, versions, machine, pipeline }: Run): [string, string][] => [
  ['pipeline', pipeline],
  ...Object.entries(options).map(([name, value]): [string, string] => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]),
  ...Object.entries(versions).map(([name, version]): [string, string] => [name, version]),
  ['machine', `${machine.platform}, ${machine.processor}, ${machine.cores} cores, ${bytes(machine.memoryBytes)}`],
];
