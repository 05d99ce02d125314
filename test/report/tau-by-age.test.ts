import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runPage } from '../../src/report/run-page/page.ts';
import { readRun } from '../../src/report/run-page/read-run.ts';
import { TauByAge } from '../../src/report/run-page/tau-by-age.ts';
import { stepAt, writeRun } from './a-run.ts';

describe('TauByAge', () => {
  it('averages by age, and by doublings of it from 9 on', () => {
    const byAge = new TauByAge();
    byAge.add({});
    byAge.add({ age: 2, drawTau: 1.5, freshTau: 1.2 });
    byAge.add({ age: 2, drawTau: 2.5, freshTau: 1.4 });
    byAge.add({ age: 0, drawTau: 3 });
    for (const age of [9, 15, 16, 31]) byAge.add({ age, drawTau: age, freshTau: 1 });
    assert.deepEqual(byAge.rows(), [
      { from: 0, to: 0, steps: 1, drawTau: 3 },
      { from: 2, to: 2, steps: 2, drawTau: 2, freshTau: (1.2 + 1.4) / 2 },
      { from: 9, to: 15, steps: 2, drawTau: 12, freshTau: 1 },
      { from: 16, to: 31, steps: 2, drawTau: 23.5, freshTau: 1 },
    ]);
  });
});

describe('a run’s page', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'taustream-ages-'));
    await writeRun(folder, 70);
  });
  afterEach(() => rm(folder, { recursive: true }));

  const add = (step: number, fields: object) =>
    appendFile(join(folder, 'metrics.jsonl'), `${JSON.stringify({ ...stepAt(step), ...fields })}\n`);

  it('shows τ by the age of the scores', async () => {
    await add(71, { age: 1, drawTau: 1.75, freshTau: 1.25 });
    await add(72, { age: 1, drawTau: 2.25, freshTau: 1.75 });
    const page = runPage(await readRun(folder));
    assert.match(page, /<td>1<\/td><td>2<\/td><td>2(\.0+)?<\/td><td>1\.50?0?<\/td>/);
  });

  it('shows none of it where scores were always fresh', async () => {
    await add(71, { age: 0, drawTau: 1.75 });
    assert.doesNotMatch(runPage(await readRun(folder)), /age of the scores/);
  });
});
