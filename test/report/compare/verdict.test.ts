import assert from 'node:assert/strict';
import type { ComparedRun } from '../../../src/report/compare/compare.ts';
import { judge } from '../../../src/report/compare/verdict.ts';

/** Runs of a scheme by their validation's losses, a seed each. */
const runsOf = (scheme: string, losses: readonly number[]) =>
  losses.map((loss, seed) => ({
    scheme,
    seed,
    trainLoss: loss,
    measures: { loss },
    curve: [],
    summary: { steps: 10, openShare: 0, meanTau: 1 },
  })) as unknown as ComparedRun[]; // what is judged by

describe('judge', () => {
  it('judges the others where the loss of one scheme is no number', () => {
    const runs = [
      ...runsOf('uniform', [1, 1.1, 1.2, 1.15]),
      ...runsOf('loss', [2, Number.NaN, 2.2, 2]),
      ...runsOf('upper-bound', [0.5, 0.61, 0.7, 0.64]),
    ];
    const { rows, sentence } = judge(runs, ['uniform', 'loss', 'upper-bound'], { steps: 10 });
    assert.equal(rows[1]!.difference!.p, undefined);
    assert.ok(rows[2]!.difference!.p! < 1e-3, 'the only comparison there is needs no adjustment');
    assert.match(sentence, /loss cannot be compared, for a run of loss or uniform has no finite validation loss;/);
    assert.match(sentence, /upper-bound is lower by 0\.5000 \(44\.\d %\), more than the noise/);
  });
});
