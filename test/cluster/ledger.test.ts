import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Ledger, parseLedgerState } from '../../src/cluster/ledger.ts';

const open = (changes: Partial<ConstructorParameters<typeof Ledger>[0]> = {}) =>
  new Ledger({ order: 'o', places: 24, end: 100, grantMs: 1000, ahead: () => 2, ...changes });

describe('Ledger', () => {
  it('gives out each place of the corpus once, in jobs', () => {
    const ledger = open();
    const jobs = Array.from({ length: 6 }, () => ledger.issue('uniform', 0)).filter((job) => job !== undefined);
    assert.deepEqual(
      jobs.map(({ from, to }) => [from, to]),
      [
        [0, 24],
        [24, 48],
        [48, 72],
        [72, 96],
        [96, 100],
      ],
    );
    assert.ok(ledger.isExhausted);
  });

  it('lets as many parts be scored at a time as there is room for', () => {
    const ledger = open();
    ledger.issue('importance', 0);
    assert.deepEqual(
      [0, 1, 2].map((part) => ledger.offer(0, part, 'a', 0)),
      ['go', 'go', 'wait'],
    );
    ledger.take(0, 0, 0);
    assert.equal(ledger.offer(0, 2, 'a', 0), 'wait');
    ledger.trained(0, 0, true);
    assert.equal(ledger.offer(0, 2, 'a', 0), 'go');
  });

  it('takes a part once, whoever brings it, and however late', () => {
    const ledger = open();
    ledger.issue('importance', 0);
    ledger.offer(0, 0, 'a', 0);
    assert.equal(ledger.offer(0, 0, 'b', 500), 'wait');
    ledger.sweep(1500);
    assert.equal(ledger.offer(0, 0, 'b', 1500), 'go');
    assert.deepEqual(ledger.take(0, 0, 1600), { verdict: 'taken', turns: 0 });
    assert.deepEqual(ledger.take(0, 0, 1700), { verdict: 'duplicate' });
    assert.equal(ledger.offer(0, 0, 'a', 1700), 'duplicate');
    assert.equal(ledger.account.lost, 1);
  });

  it('is done with a job when all its parts are trained on and it is said how many there are', () => {
    const ledger = open();
    ledger.issue('importance', 0);
    ledger.take(0, 0, 0);
    ledger.trained(0, 0, true);
    assert.equal(ledger.open.size, 1);
    ledger.end(0, 1, 0);
    assert.equal(ledger.open.size, 0);
    assert.equal(ledger.offer(0, 1, 'a', 0), 'done');
    assert.deepEqual(ledger.take(0, 0, 0), { verdict: 'done' });
  });

  it('goes on from its state: no draw is trained on twice, and none is left out', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(5), { maxLength: 60 }), fc.nat(40), (picks, stopAt) => {
        const trained = new Map<string, number>();
        let ledger = open({ ahead: () => 100, end: 72 });
        const draws = 3;
        const run = (choices: readonly number[], limit: number) => {
          let steps = 0;
          for (;;) {
            while (ledger.open.size < 2 && ledger.issue('importance', 0));
            const todo = [...ledger.open.values()].flatMap(({ job }) => [0, 1].map((part) => ({ job, part })));
            if (todo.length === 0) return;
            for (const { job, part } of todo.toSorted(
              (a, b) => (choices[a.job + a.part] ?? 0) - (choices[b.job + b.part] ?? 0),
            )) {
              const taken = ledger.take(job, part, 0);
              if (!('turns' in taken)) continue;
              for (let turn = taken.turns; turn < draws; turn++) {
                if (steps++ === limit) return;
                trained.set(`${job}/${part}/${turn}`, (trained.get(`${job}/${part}/${turn}`) ?? 0) + 1);
                ledger.trained(job, part, turn === draws - 1);
              }
            }
            for (const job of Array.from(ledger.open.keys())) ledger.end(job, 2, 0);
          }
        };
        run(picks, stopAt % 19);
        const state = parseLedgerState(structuredClone(ledger.state()));
        ledger = open({ ahead: () => 100, end: 72 });
        ledger.restore(state, 0);
        run(picks.toReversed(), Infinity);
        assert.equal(trained.size, 3 * 2 * draws);
        assert.deepEqual(new Set(trained.values()), new Set([1]));
      }),
    );
  });

  it("refuses another stream's position", () => {
    assert.throws(() => parseLedgerState({ kind: 'place', order: 'o', place: 3 }), { code: 'ERR_OPTIONS' });
  });
});
