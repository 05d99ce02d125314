import assert from 'node:assert/strict';
import { OptionsError } from '../../src/errors.ts';
import { Costs } from '../../src/resample/costs.ts';
import { tauGate } from '../../src/resample/tau-gate.ts';
import { tau } from '../../src/resample/tau.ts';

const flat = [1, 1, 1, 1];
const peaked = [100, 1, 1, 1]; // τ ≈ 1.94

describe('tauGate', () => {
  it('never opens on flat scores and opens on peaked ones', () => {
    const gate = tauGate({ tauThreshold: 1.5 });
    for (let i = 0; i < 100; i++) gate.observe(flat);
    assert.equal(gate.isOpen, false);
    for (let i = 0; i < 100; i++) gate.observe(peaked);
    assert.equal(gate.isOpen, true);
  });

  it('averages τ with bias correction, so that the first observation counts in full', () => {
    const gate = tauGate({ tauThreshold: 1.5, tauSmoothing: 0.9 });
    gate.observe(peaked);
    assert.ok(Math.abs(gate.tau - tau(peaked)) < 1e-12);
    gate.observe(flat);
    const expected = (0.9 * 0.1 * tau(peaked) + 0.1 * 1) / (1 - 0.9 ** 2);
    assert.ok(Math.abs(gate.tau - expected) < 1e-12);
  });

  it('has τ = 1 and is shut before anything is observed', () => {
    assert.deepEqual([tauGate({ tauThreshold: 1 }).isOpen, tauGate().tau], [false, 1]);
  });

  it('is open from the start under a threshold below 1', () => {
    assert.equal(tauGate({ tauThreshold: 0 }).isOpen, true);
  });

  it('waits out its warm-up', () => {
    const gate = tauGate({ tauThreshold: 1.2, warmUp: 3 });
    const states = [1, 2, 3].map(() => {
      gate.observe(peaked);
      return gate.isOpen;
    });
    assert.deepEqual(states, [false, false, true]);
  });

  it('stays open within its hysteresis', () => {
    const scoresOf = (wanted: number) => {
      // Two values a, 1 over 4 samples have τ² = 4 (a² + 3) / (a + 3)²; found by bisection.
      let [low, high] = [1, 1e6];
      for (let i = 0; i < 200; i++) {
        const middle = (low + high) / 2;
        if (tau([middle, 1, 1, 1]) < wanted) low = middle;
        else high = middle;
      }
      return [low, 1, 1, 1];
    };
    const gate = tauGate({ tauThreshold: 1.5, tauSmoothing: 0, hysteresis: 0.1 });
    const plain = tauGate({ tauThreshold: 1.5, tauSmoothing: 0 });
    const open = (value: number) => {
      for (const each of [gate, plain]) each.observe(scoresOf(value));
      return [gate.isOpen, plain.isOpen];
    };
    assert.deepEqual(open(1.6), [true, true]);
    assert.deepEqual(open(1.4), [true, false]);
    assert.deepEqual(open(1.3), [false, false]);
  });

  it('goes on from a saved state as if never stopped', () => {
    const first = tauGate({ tauThreshold: 1.5 });
    for (const scores of [peaked, flat, peaked]) first.observe(scores);
    const second = tauGate({ tauThreshold: 1.5 });
    second.restore(first.state());
    for (const gate of [first, second]) gate.observe(flat);
    assert.deepEqual([second.tau, second.isOpen], [first.tau, first.isOpen]);
  });

  it('takes its threshold from measured costs', () => {
    const costs = new Costs();
    const gate = tauGate({ costs, presampleSize: 640, batchSize: 128 });
    assert.ok(Math.abs(gate.threshold - (640 + 3 * 128) / (3 * 128)) < 1e-12, "the paper's break-even before it knows");
    for (let i = 0; i < 3; i++) {
      costs.scored(640, 12.8); // 0.02 ms a sample
      costs.trained(128, 8.96); // 0.07 ms a sample
    }
    assert.ok(Math.abs(gate.threshold - (640 * 0.02 + 128 * 0.07) / (128 * 0.07)) < 1e-9);
  });

  it('refuses options out of range or misspelt', () => {
    assert.throws(() => tauGate({ tauSmoothing: 1 }), OptionsError);
    assert.throws(() => tauGate({ tauThreshold: -1 }), OptionsError);
    assert.throws(() => tauGate({ tauTreshold: 2 } as never), /tauTreshold/);
  });
});
