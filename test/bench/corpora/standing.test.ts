import assert from 'node:assert/strict';
import { against, againstBest, isInNextRound, type Row } from '../../../bench/corpora/standing.ts';
import { median } from '../../../bench/median.ts';

const row = (rates: number[], doesLess = false): Row => ({
  doesLess,
  results: rates.map((rate) => ({ perSecond: rate, perProcessorSecond: 2 * rate })),
});

describe('standing', () => {
  it('measures again whoever has half of the best rate that counts, and whoever has none yet', () => {
    const peers = [row([100]), row([49]), row([51]), row([])];
    assert.deepEqual(
      peers.map((peer) => isInNextRound(peer, peers)),
      [true, false, true, true],
    );
  });

  it('leaves out nobody for the rate of a peer that does less', () => {
    const peers = [row([100]), row([60]), row([1000], true)];
    assert.ok(peers.every((peer) => isInNextRound(peer, peers)));
  });

  it('compares with the best peer of each round that counts', () => {
    const peers = [row([100, 50]), row([80, 200]), row([900, 900], true), row([10])];
    assert.equal(againstBest(row([100, 100]), peers, 'perSecond'), (1 + 0.5) / 2);
    assert.equal(againstBest(row([100, 100]), peers, 'perProcessorSecond'), (1 + 0.5) / 2);
    assert.equal(against(row([100, 400]), peers[3]!, 'perSecond'), 10);
  });

  it('makes no ratio against nothing', () => {
    const onlyLess = [row([100, 100], true), row([5])];
    assert.throws(() => againstBest(row([100, 100]), onlyLess, 'perSecond'), /round 2/);
    assert.throws(() => againstBest(row([100]), [row([0])], 'perSecond'), /round 1/);
    assert.throws(() => median([]), /got none/);
  });

  it('takes the middle of the two middle numbers', () => {
    assert.deepEqual([median([3, 1]), median([9, 1, 2]), median([4, 1, 2, 3])], [2, 2, 2.5]);
  });
});
