import assert from 'node:assert/strict';
import colors from 'picocolors';
import { describeSummary } from '../../src/report/summary.ts';

describe('describeSummary', () => {
  it('compares start and end', () => {
    const text = describeSummary(
      'moby-dick',
      {
        steps: 1234,
        seconds: 150.2,
        epochs: 1.81,
        stoppedBy: 'seconds',
        firstLoss: 4.5,
        lastLoss: 1.625,
        openShare: 0.38,
        meanTau: 1.42,
        samplesSeen: 200_000,
        samplesTrained: 39_488,
        samplesDropped: 1200,
        samplesByCorpus: { letters: 60_000, novels: 140_000 },
        samplesPerSecond: 263,
        waitedShare: 0.004,
        validation: {
          first: { bitsPerCharacter: 6.5 },
          last: { bitsPerCharacter: 2.4 },
          best: { bitsPerCharacter: 2.375 },
        },
      },
      colors.createColors(false),
    );
    assert.equal(
      text,
      [
        'moby-dick: 1,234 steps (1.8 epochs) in 2 min 30 s, stopped by the clock',
        '  training loss                  4.500 → 1.625',
        '  validation bits per character  6.500 → 2.400 (best 2.375)',
        '  τ gate                         open in 38 % of the steps, mean τ 1.420',
        '  samples                        200,000 seen, 39,488 trained on, 263 a second, 1,200 left out as too long',
        '  of each corpus                 novels 70 %, letters 30 %',
        '  waited for data                0.4 % of the time',
        '',
      ].join('\n'),
    );
  });
});
