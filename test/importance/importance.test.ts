import assert from 'node:assert/strict';
import type { ScoreError } from '../../src/errors.ts';
import { OptionsError } from '../../src/errors.ts';
import { importance } from '../../src/importance/importance.ts';
import type { Scorer } from '../../src/importance/model-scorer.ts';
import { InFlight } from '../../src/stream/in-flight.ts';
import { Presample } from '../../src/stream/presample.ts';
import { useTestEngine } from '../test-engine.ts';
import { itBehavesLikeAStage } from '../stage-suite.ts';

const buffer = (size = 3, phase: 'uniform' | 'importance' = 'importance') =>
  new Presample(
    Array.from({ length: size }, (_, i) => `s:${i}`),
    { x: { type: 'float32', shape: [size], data: new Float32Array(size) } },
    phase,
  );
const scorerOf = (...scores: number[]): Scorer => ({ score: async () => Float32Array.from(scores) });
async function* only<Item>(item: Item) {
  yield item;
}

describe('importance', () => {
  before(useTestEngine);
  const inFlight = new InFlight();
  itBehavesLikeAStage({
    make: () => importance(scorerOf(1, 2, 3)),
    item: () => {
      const one = buffer();
      inFlight.add(one);
      one.tensor('x'); // so that a presample that is forgotten shows as a leaked tensor
      return one;
    },
    release: ({ presample }) => presample.release(),
    cleanUp: () => inFlight.clear(),
    itemsPerOutput: 1,
  });

  it('scores presamples of the importance phase only, by any scorer', async () => {
    for await (const { scores } of importance(scorerOf(1, 0, 2))(only(buffer())))
      assert.deepEqual([...scores!], [1, 0, 2]);
    for await (const { scores } of importance(scorerOf(1))(only(buffer(3, 'uniform')))) assert.equal(scores, undefined);
  });

  it('says which version of the parameters the scores belong to', async () => {
    const turnstile = { version: 41, enter: async () => {}, stepped() {}, leave() {}, open() {} };
    for await (const { version } of importance(scorerOf(1, 1, 1), { turnstile })(only(buffer())))
      assert.equal(version, 41);
  });

  for (const bad of [Number.NaN, Infinity, -1])
    it(`refuses a score of ${bad}, naming the samples`, async () => {
      const one = buffer();
      const uploaded = one.tensor('x');
      await assert.rejects(drain(importance(scorerOf(1, bad, 1))(only(one))), (error: ScoreError) => {
        assert.equal(error.code, 'ERR_SCORE');
        assert.match(error.message, /1 of 3 that are not: s:1 \(/);
        assert.deepEqual(error.facts['ids'], ['s:1']);
        return true;
      });
      assert.ok(uploaded.isDisposed);
    });

  it('leaves bad scores out and counts them by policy', async () => {
    const skipped: string[] = [];
    const stage = importance(scorerOf(Number.NaN, 2, -3), {
      onBadScore: 'skip',
      onSkip: (ids) => void skipped.push(...ids),
    });
    for await (const { scores } of stage(only(buffer()))) assert.deepEqual([...scores!], [0, 2, 0]);
    assert.deepEqual(skipped, ['s:0', 's:2']);
  });

  it('refuses the wrong number of scores, whatever the policy', async () => {
    await assert.rejects(
      drain(importance(scorerOf(1, 2), { onBadScore: 'skip' })(only(buffer()))),
      /expected 3 scores.* got 2/,
    );
  });

  it('refuses a misspelt option', () => {
    assert.throws(() => importance(undefined, { onBadScores: 'skip' } as never), OptionsError);
  });
});

async function drain(items: AsyncIterable<unknown>) {
  for await (const _ of items);
}
