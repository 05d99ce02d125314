import assert from 'node:assert/strict';
import { clocks } from '../../src/stream/clock.ts';
import { Budget } from '../../src/train/budget.ts';
import { fit } from '../../src/train/fit.ts';
import { useTestEngine } from '../test-engine.ts';
import { classifier, clusters } from './toy.ts';

describe('Budget', () => {
  /** A clock that stands still until it is told. */
  const manual = () => {
    const time = { ms: 500 };
    return { time, clock: () => time.ms };
  };

  it('counts seconds by the clock that it is given, from when it begins', () => {
    const { time, clock } = manual();
    const budget = new Budget({ seconds: 2 }, () => 10, clock);
    time.ms += 7000;
    budget.begin();
    assert.equal(budget.seconds, 0);
    time.ms += 1500;
    assert.equal(budget.seconds, 1.5);
    assert.equal(budget.progress().share, 0.75);
    assert.equal(budget.reached(), undefined);
    time.ms += 500;
    assert.equal(budget.reached(), 'seconds');
  });

  it('leaves out what does not count, and goes on from what an earlier run had used', async () => {
    const { time, clock } = manual();
    const budget = new Budget({ seconds: 2 }, () => 10, clock);
    budget.restore({ step: 3, samplesSeen: 24, seconds: 1 });
    await budget.uncounted(async () => {
      time.ms += 9000;
    });
    time.ms += 250;
    assert.equal(budget.seconds, 1.25);
    assert.equal(budget.epochs, 2.4);
  });
});

describe('clocks', () => {
  it('count processors by what the system says of this process', () => {
    const before = process.cpuUsage();
    const now = clocks.processor();
    const after = process.cpuUsage();
    assert.ok(now >= (before.user + before.system) / 1000);
    assert.ok(now <= (after.user + after.system) / 1000);
  });
});

describe('fit with a clock', () => {
  before(useTestEngine);

  it('ends by processor time', async () => {
    const options = { seconds: 0.05, clock: 'processor', batchSize: 8, presampleSize: 24, seed: 1 } as const;
    const from = clocks.processor();
    const { stoppedBy, seconds } = await fit(classifier(), clusters().corpus, options);
    assert.equal(stoppedBy, 'seconds');
    assert.ok(seconds >= 0.05 && seconds <= (clocks.processor() - from) / 1000);
  });

  it('knows no other clock than the two', async () => {
    const options = { steps: 1, clock: 'sun' } as unknown as { steps: number };
    await assert.rejects(fit(classifier(), clusters().corpus, options), { code: 'ERR_OPTIONS', message: /clock/ });
  });
});
