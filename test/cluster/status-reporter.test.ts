import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { StatusReporter } from '../../src/cluster/status-reporter.ts';
import type { FleetReport } from '../../src/cluster/status.ts';
import { fleetAt } from '../report/a-run.ts';

describe('StatusReporter', () => {
  it('reports once a period, one report at a time, and without the queue while the server is away', async () => {
    const told: FleetReport[] = [];
    let isAway = false;
    const { queued: _queued, inHand: _inHand, at: _at, ...status } = fleetAt(3);
    const reporter = new StatusReporter({
      status: () => status,
      waiting: () => (isAway ? Promise.reject(new Error('no server')) : Promise.resolve({ queued: 2, inHand: 1 })),
      onStatus: (report) => told.push(report),
      everyMs: 1000,
    });
    reporter.tend(100);
    reporter.tend(1200); // the first is not told yet
    await turn();
    assert.equal(told.length, 1);
    assert.deepEqual([told[0]!.queued, told[0]!.inHand, told[0]!.steps], [2, 1, 3]);
    reporter.tend(1000);
    await turn();
    assert.equal(told.length, 1);
    isAway = true;
    reporter.tend(1100);
    await turn();
    assert.equal(told.length, 2);
    assert.deepEqual(['queued' in told[1]!, told[1]!.steps], [false, 3]);
  });
});
