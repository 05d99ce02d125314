import assert from 'node:assert/strict';
import { Round } from '../../../src/train/fine-tuning/fine-tuning-options.ts';
import { Totals } from '../../../src/train/fine-tuning/totals.ts';
import type { FitSummary } from '../../../src/train/step-record.ts';

const rounds = [Round.parse({ train: 'head', steps: 40 }), Round.parse({ train: 2 }), Round.parse({ train: 4 })];

/** A round that is over. */
const ended = (steps: number, seconds: number, epochs = 0) => ({ steps, seconds, epochs }) as FitSummary;

const shareOf = (totals: Totals, share: number) => totals.progress({ step: 1, seconds: 1, share }).share;

describe('Totals', () => {
  it('leaves what a round did not use to those after it', () => {
    const totals = new Totals(rounds, { steps: 420 });
    assert.deepEqual(totals.limits(), { steps: 40, seconds: undefined, epochs: undefined });
    totals.add(ended(40, 4));
    assert.equal(totals.limits().steps, 190);
    totals.add(ended(190, 60));
    assert.equal(totals.limits().steps, 190);
  });

  it('counts the share of the run by what was used: a round that ends early is no third of the run', () => {
    const totals = new Totals(rounds, { seconds: 100 });
    assert.equal(shareOf(totals, 0.5), 1 / 6);
    totals.add(ended(40, 4));
    assert.ok(Math.abs(shareOf(totals, 0) - 0.04) < 1e-12);
    assert.ok(Math.abs(shareOf(totals, 1) - 0.52) < 1e-12);
    totals.add(ended(190, 48));
    assert.ok(Math.abs(shareOf(totals, 0) - 0.52) < 1e-12);
    assert.equal(shareOf(totals, 1), 1);
  });

  it('counts by the limit that is furthest, and never beyond the whole', () => {
    const totals = new Totals(rounds, { steps: 100, epochs: 4 });
    totals.add(ended(10, 1, 2));
    assert.equal(shareOf(totals, 0), 0.5);
    totals.add(ended(95, 1, 2.5));
    assert.equal(shareOf(totals, 1), 1);
  });
});
