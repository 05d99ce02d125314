import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { Tickets } from '../../../src/importance/placement/tickets.ts';
import type { Gate } from '../../../src/stream/gate.ts';

const gateOf = (isOpen: boolean) => ({ isOpen, tau: 1, observe: () => {} });

function make(options: { ahead: number; parametersEvery?: number; gate?: Gate }) {
  const scoredWith: number[] = [];
  const { ahead, parametersEvery = 1, gate = gateOf(true) } = options;
  const tickets = new Tickets({ ahead, parametersEvery, gate, onScored: (version) => scoredWith.push(version) });
  const step = () => {
    tickets.stepped();
    tickets.leave();
  };
  return { tickets, scoredWith, step };
}

/** Whether a promise is settled after the event loop's next turns. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.finally(() => (settled = true)).catch(() => {});
  await turn();
  return settled;
}

describe('Tickets', () => {
  it('lets ahead + 1 fills begin, and one more for each presample that is done with', async () => {
    const { tickets, step } = make({ ahead: 2 });
    for (let i = 0; i < 3; i++) await tickets.enter();
    const fourth = tickets.enter();
    assert.equal(await isSettled(fourth), false);
    step();
    assert.equal(await isSettled(fourth), true);
  });

  it('settles presample n with the parameters after step n − ahead', async () => {
    const { tickets, step } = make({ ahead: 2 });
    const versions: number[] = [];
    for (let n = 0; n < 8; n++) {
      await tickets.enter();
      versions.push(tickets.next().version);
      if (n >= 2) step();
    }
    assert.deepEqual(versions, [0, 0, 0, 1, 2, 3, 4, 5]);
  });

  it('asks for parameters every so many steps, and only for presamples that are scored', async () => {
    const gate = gateOf(true);
    const { tickets, step, scoredWith } = make({ ahead: 0, parametersEvery: 3, gate });
    for (let n = 0; n < 9; n++) {
      await tickets.enter();
      gate.isOpen = n !== 5; // for the next one
      step();
    }
    assert.deepEqual(scoredWith, [0, 0, 0, 3, 3, 3, 7, 7, 7]);
  });

  it('shows presample the gate as it was when the ticket was issued', async () => {
    const gate = gateOf(false);
    const { tickets, step } = make({ ahead: 1, gate });
    await tickets.enter();
    gate.isOpen = true;
    await tickets.enter();
    assert.equal(tickets.gate.isOpen, false);
    step();
    gate.isOpen = false;
    await tickets.enter();
    assert.equal(tickets.gate.isOpen, true);
    assert.deepEqual(
      [tickets.next(), tickets.next(), tickets.next()].map(({ phase }) => phase),
      ['uniform', 'uniform', 'importance'],
    );
  });

  it('hands presample n on when those before it are done with', async () => {
    const { tickets, step } = make({ ahead: 3 });
    assert.equal(await isSettled(tickets.turnOf(0)), true);
    const second = tickets.turnOf(1);
    assert.equal(await isSettled(second), false);
    step();
    assert.equal(await isSettled(second), true);
  });

  it('lets go of everybody who waits when the signal aborts', async () => {
    const { tickets } = make({ ahead: 0 });
    const stop = new AbortController();
    await tickets.enter(stop.signal);
    const waiting = [tickets.enter(stop.signal), tickets.turnOf(1, stop.signal)];
    stop.abort(new Error('enough'));
    for (const promise of [...waiting, tickets.enter(stop.signal)]) await assert.rejects(promise, /enough/);
  });
});
