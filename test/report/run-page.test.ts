import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { FleetReport } from '../../src/cluster/status.ts';
import { writeFleetFile } from '../../src/report/fleet-file.ts';
import { runPage } from '../../src/report/run-page/page.ts';
import { readRun } from '../../src/report/run-page/read-run.ts';
import { sampleView } from '../../src/report/run-page/sample-view.ts';
import { fleetAt, lineAt, writeRun } from './a-run.ts';

describe('readRun', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'taustream-page-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('finds the means of spans, the intervals of the gate and the validations', async () => {
    await writeRun(folder, 100);
    const { steps, spans, open, validation, last } = await readRun(folder);
    assert.deepEqual([steps, spans.length, last?.share], [100, 100, 1]);
    assert.deepEqual(open, [
      { from: 20, to: 40 },
      { from: 60, to: 100 },
    ]);
    assert.deepEqual(
      validation.map(({ step }) => step),
      [25, 50, 75, 100],
    );
    const near = (got: number, expected: number) => assert.ok(Math.abs(got - expected) < 1e-6, `${got}`);
    near(spans[49]!.samplesPerSecond, 80);
    near(spans[49]!.waitedShare, 0.1);
  });

  it('joins steps when there are many, and loses none', async () => {
    await writeRun(folder, 5000);
    const { spans, steps } = await readRun(folder);
    assert.ok(spans.length > 300 && spans.length <= 801, `${spans.length}`);
    assert.equal(steps, 5000);
    assert.equal(spans.at(-1)!.step, 5000);
    // Equal spans: the mean of their open shares is the share of the steps.
    const per = 5000 / (spans.length - 1);
    const opened = spans.reduce((sum, { open }, i) => sum + open * (i < spans.length - 1 ? Math.round(per) : 1), 0);
    assert.ok(Math.abs(opened - 4962) < 2 * per, `${opened}`);
  });

  it('leaves out a line that is being written, and files that are not there yet', async () => {
    await writeRun(folder, 3);
    await writeFile(join(folder, 'metrics.jsonl'), lineAt(4).slice(0, 30), { flag: 'a' });
    const data = await readRun(folder);
    assert.deepEqual([data.steps, data.samples, data.scores], [3, [], []]);
    await rm(join(folder, 'metrics.jsonl'));
    assert.match(runPage(await readRun(folder)), /No step was taken yet/);
  });

  it('says so when it is no run', async () => {
    await assert.rejects(readRun(join(folder, 'nowhere')), {
      code: 'ERR_RUN',
      message: /expected the account of a run/,
    });
  });
});

describe('runPage', () => {
  it('shows curves, shades, stages, samples and options, and loads nothing', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'taustream-page-'));
    const stages = { presample: { taken: 80, given: 10, waitedUpstreamMs: 1500, waitedDownstreamMs: 0 } };
    await writeRun(folder, 100, { status: 'finished', summary: { stages } as never }); // the rest is not shown
    const columns = { x: { shape: [3], values: [1, 0, 2] }, y: { shape: [3], values: [0, 2, 1] } };
    await writeFile(join(folder, 'samples.json'), JSON.stringify([{ id: 'a:<1>', drawn: 42, columns }]));
    const scores = [1, 2, 3, 4, 5, 6, 7];
    await writeFile(
      join(folder, 'scores.jsonl'),
      `${JSON.stringify({ step: 10, scores })}\n${JSON.stringify({ step: 20, scores })}\n`,
    );
    const vocabulary = { characters: 'a&b', unknown: 'error' };
    await writeFile(join(folder, 'model', 'vocabulary.json'), JSON.stringify(vocabulary));
    const html = runPage(await readRun(folder));
    assert.equal(html.match(/<svg/g)?.length, 10);
    assert.equal(html.match(/fill="#f6d9b8"[\s\S]*?<\/g>/)?.[0].match(/<rect/g)?.length, 2);
    assert.match(html, /gate open in 62 % of the steps/);
    assert.match(html, /<td>presample<\/td><td>80<\/td><td>10<\/td><td>1\.5 s<\/td>/);
    assert.match(html, /<td>42 ×<\/td><td>a:&lt;1&gt;<\/td><td><code>&amp;ab<\/code><\/td>/);
    assert.match(html, /letters &lt;b&gt;/);
    assert.match(html, /<th>presampleSize<\/th><td>24<\/td>/);
    assert.doesNotMatch(html, /<script|src="(?!data:)|href="http|url\(/);
    await rm(folder, { recursive: true });
  });
});

describe('fleetView', () => {
  const { queued: _queued, inHand: _inHand, ...away } = fleetAt(10);
  const pageOf = async (report: FleetReport, changes: Parameters<typeof writeRun>[2] = {}) => {
    const folder = await mkdtemp(join(tmpdir(), 'taustream-page-'));
    await writeRun(folder, 10, changes);
    writeFleetFile(folder, report);
    const html = runPage(await readRun(folder));
    assert.deepEqual((await readdir(folder)).toSorted(), ['fleet.json', 'metrics.jsonl', 'model', 'run.json']);
    await rm(folder, { recursive: true });
    return html;
  };

  it('shows workers, rates, what waits and the ages of scores while a run trains on a fleet', async () => {
    const html = await pageOf(fleetAt(10));
    assert.match(html, /<h2>Fleet, at 03:04:05 UTC<\/h2>/);
    assert.match(html, /2 workers score 750\.0 samples a second\. 3 jobs wait on the server, 2 are in hand\./);
    assert.match(html, /5 jobs are open, 4 presamples under way, of which 1 wait for the trainer/);
    assert.match(html, /2\.500 steps old on average and 7 at most/);
    assert.match(html, /<td>two<\/td><td>host-1 &lt;b&gt;<\/td><td>2,000<\/td><td>500\.0<\/td><td>1\.3 s ago<\/td>/);
    assert.match(html, /trained 10, lost 0/);
  });

  it('says that the server is away, and that no worker is there', async () => {
    const html = await pageOf({ ...away, workers: [] });
    assert.match(html, /The server is away\./);
    assert.match(html, /No worker is there/);
  });

  it('shows the account alone when the run is over, and nothing where there is no fleet', async () => {
    const source = { taken: 12, trained: 11 };
    const over = await pageOf(fleetAt(10), { status: 'finished', summary: { source } as never }); // the rest is not shown
    assert.match(over, /<h2>Fleet<\/h2><p>taken 12, trained 11\.<\/p>/);
    assert.doesNotMatch(over, /host-1/);
    assert.doesNotMatch(await pageOf(fleetAt(10), { status: 'interrupted' }), /Fleet/);
  });

  it('leaves the page behind where the file cannot be written', () => {
    writeFleetFile('/nowhere/at/all', fleetAt(1));
  });
});

describe('sampleView', () => {
  it('draws pictures, as sharp reads them', async () => {
    const values = Array.from({ length: 2 * 3 * 3 }, (_, i) => 14 * i);
    const html = sampleView({ id: 'p', drawn: 1, columns: { x: { shape: [2, 3, 3], values } } });
    const [, png] = /src="data:image\/png;base64,([^"]+)"/.exec(html) ?? [];
    const { data, info } = await sharp(Buffer.from(png!, 'base64')).raw().toBuffer({ resolveWithObject: true });
    assert.deepEqual([info.width, info.height, info.channels], [3, 2, 3]);
    assert.deepEqual([...data], values);
  });

  it('lists numbers, the first of many', () => {
    const values = Array.from({ length: 20 }, (_, i) => i);
    assert.match(
      sampleView({ id: 'n', drawn: 1, columns: { x: { shape: [20], values } } }),
      /x 0, 1, .*, 11, … \(20\)/,
    );
  });
});
