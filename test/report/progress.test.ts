import assert from 'node:assert/strict';
import colors from 'picocolors';
import { Progress } from '../../src/report/progress.ts';
import type { StepRecord } from '../../src/train/step-record.ts';

const plain = colors.createColors(false);
const record = (step: number, changes: Partial<StepRecord> = {}): StepRecord => ({
  step,
  seconds: step / 10,
  share: step / 100,
  loss: 4 - step / 50,
  lr: 0.01,
  phase: 'uniform',
  tau: 1.256,
  gate: 'shut',
  ess: 8,
  samplesSeen: 16 * step,
  samplesTrained: 8 * step,
  waitedMs: 1,
  rssBytes: 123_456_789,
  ...changes,
});

/** Ten steps a second, by a clock of our own. */
function show(
  steps: number,
  output: { isTTY?: boolean; columns?: number },
  changes?: (step: number) => Partial<StepRecord>,
) {
  const written: string[] = [];
  let now = 0;
  const progress = new Progress({
    output: { ...output, write: (text) => written.push(text) },
    colors: plain,
    now: () => now,
  });
  for (let step = 1; step <= steps; step++) {
    now += 100;
    progress.step(record(step, changes?.(step)));
  }
  return { progress, written };
}

describe('Progress', () => {
  it('writes a plain line every five seconds when piped', () => {
    const { written } = show(100, {});
    assert.deepEqual(written, [
      'step 1 1.0 % | loss 3.980 | τ 1.26 gate shut | 80 samples/s | waited 1.0 % | 9.9 s left | 123 MB\n',
      'step 51 51 % | loss 2.980 | τ 1.26 gate shut | 80 samples/s | waited 1.0 % | 4.9 s left | 123 MB\n',
    ]);
  });

  it('shows the last step at the end, once', () => {
    const { progress, written } = show(51, {});
    progress.end();
    assert.equal(written.length, 2);
    progress.step(record(52));
    progress.end();
    assert.match(written[2]!, /^step 52 /);
  });

  it('keeps showing the last validation, in words', () => {
    const { written } = show(60, {}, (step) => (step === 20 ? { validation: { loss: 2, bitsPerCharacter: 2.5 } } : {}));
    assert.doesNotMatch(written[0]!, /validation/);
    assert.match(written[1]!, /\| validation bits per character 2\.500 \|/);
  });

  it('redraws one line on a terminal, with the curve of the loss', () => {
    const { progress, written } = show(3, { isTTY: true, columns: 120 });
    progress.end();
    const text = written.join('');
    assert.equal(text.split('\n').length, 2);
    assert.equal(text.split('\r\u001B[2K').length, 3);
    assert.match(text, /loss 3\.940 █▅▁ │ τ 1\.26/);
  });

  it('leaves out what does not fit on the terminal, the least important first', () => {
    const { written } = show(1, { isTTY: true, columns: 31 });
    assert.equal(written[0], 'step 1 1.0 % │ loss 3.980 ▁');
    assert.ok(show(1, { isTTY: true, columns: 5 }).written[0]!.length < 5);
  });

  it('writes a note above the line', () => {
    const { progress, written } = show(1, { isTTY: true, columns: 80 });
    progress.note('saving');
    assert.deepEqual(written.slice(1), ['\r\u001B[2K', 'saving\n']);
  });
});
