import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MetricsFile } from '../../src/report/metrics-file.ts';
import type { StepRecord } from '../../src/train/step-record.ts';

const record = (step: number): StepRecord => ({
  step,
  seconds: step / 3,
  share: 0.5,
  loss: Math.PI,
  lr: 0.01,
  phase: 'importance',
  tau: 1.5,
  gate: 'open',
  ess: 8.25,
  samplesSeen: 24 * step,
  samplesTrained: 8 * step,
  waitedMs: 0.125,
  rssBytes: 2 ** 33,
  ...(step % 2 === 0 && { validation: { loss: 2 } }),
});

describe('MetricsFile', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'taustream-metrics-'));
    path = join(folder, 'metrics.jsonl');
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const lines = (): unknown[] =>
    readFileSync(path, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));

  it('holds one JSON object a step, in order', () => {
    const steps = Array.from({ length: 1000 }, (_, i) => record(i + 1));
    const file = new MetricsFile(path);
    for (const step of steps) file.write(step);
    file.close();
    assert.deepEqual(lines(), steps);
    file.close();
  });

  it('gathers lines, and never more than 64 kB of them', () => {
    const file = new MetricsFile(path);
    file.write(record(1)); // the first is written at once, so that a reader sees the run begin
    assert.equal(lines().length, 1);
    for (let step = 2; step <= 2000; step++) file.write(record(step));
    const behind = (2000 - lines().length) * JSON.stringify(record(2000)).length;
    assert.ok(behind < 70_000, `${behind} characters behind`);
    file.flush();
    assert.equal(lines().length, 2000);
    file.close();
  });

  it('is closed, and whole, when the run fails', () => {
    assert.throws(() => {
      using file = new MetricsFile(path);
      file.write(record(1));
      file.write(record(2));
      throw new Error('training failed');
    }, /training failed/);
    assert.equal(lines().length, 2);
  });

  it('never writes into a file that is there', () => {
    new MetricsFile(path).close();
    assert.throws(() => new MetricsFile(path), {
      code: 'ERR_RUN',
      message: /metrics\.jsonl: cannot be written: EEXIST/,
    });
  });
});
