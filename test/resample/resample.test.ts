import assert from 'node:assert/strict';
import { OptionsError } from '../../src/errors.ts';
import { resample } from '../../src/resample/resample.ts';
import { tauGate } from '../../src/resample/tau-gate.ts';
import { Presample, type Scored } from '../../src/stream/presample.ts';
import { itBehavesLikeAStage } from '../stage-suite.ts';
import { useTestEngine } from '../test-engine.ts';

const scoredOf = (scores: readonly number[], from = 0): Scored => ({
  presample: new Presample(
    scores.map((_, i) => `s:${from + i}`),
    { x: { type: 'float32', shape: [scores.length, 1], data: Float32Array.from(scores, (_, i) => from + i) } },
    'importance',
  ),
  scores: Float32Array.from(scores),
  version: 3,
});
const openGate = () => tauGate({ tauThreshold: 0 });

describe('resample', () => {
  before(useTestEngine);
  itBehavesLikeAStage({
    make: () => resample({ gate: openGate(), batchSize: 2, seed: 1 }),
    item: (i) => scoredOf([1, 2, 3], 3 * i),
    release: (batch) => batch.dispose(),
    itemsPerOutput: 1,
  });

  it('draws rows with their ids, weights 1 / (B g) and columns', async () => {
    const stage = resample({ gate: openGate(), batchSize: 50, seed: 1 });
    for await (const batch of stage(only(scoredOf([1, 3, 0, 4])))) {
      assert.equal(batch.phase, 'importance');
      assert.equal(batch.version, 3);
      assert.equal(batch.size, 50);
      const weightOf = [2, 2 / 3, 0, 0.5];
      batch.picks.forEach((row, i) => {
        assert.equal(batch.ids[i], `s:${row}`);
        assert.ok(Math.abs(batch.weights[i]! - weightOf[row]!) < 1e-6);
        assert.equal(batch.x.data[i], row);
      });
      assert.deepEqual([...(await batch.tensor('x').data())], [...batch.x.data]);
      batch.dispose();
    }
  });

  it('passes a uniform buffer on with weights 1', async () => {
    const { presample } = scoredOf([1, 1, 1]);
    for await (const batch of resample({ gate: openGate(), batchSize: 2, seed: 1 })(only({ presample, version: 0 }))) {
      assert.deepEqual([batch.phase, [...batch.picks], [...batch.weights]], ['uniform', [0, 1, 2], [1, 1, 1]]);
      batch.dispose();
    }
  });

  it('draws uniformly when every score is zero', async () => {
    for await (const batch of resample({ gate: openGate(), batchSize: 5, seed: 1 })(only(scoredOf([0, 0, 0])))) {
      assert.deepEqual([...batch.weights], [1, 1, 1, 1, 1]);
      assert.equal(batch.tau, 1);
      batch.dispose();
    }
  });

  it('works for one sample, and for B = b', async () => {
    for (const scores of [[7], [1, 2]])
      for await (const batch of resample({ gate: openGate(), batchSize: scores.length, seed: 1 })(
        only(scoredOf(scores)),
      )) {
        assert.equal(batch.size, scores.length);
        batch.dispose();
      }
  });

  it('tells the gate what it saw before it draws', async () => {
    const gate = openGate();
    for await (const batch of resample({ gate, batchSize: 1, seed: 1 })(only(scoredOf([1, 0, 0, 0])))) {
      assert.equal(batch.tau, 2);
      batch.dispose();
    }
  });

  it('refuses a seed or size out of range', () => {
    assert.throws(() => resample({ gate: openGate(), batchSize: 1, seed: -1 }), OptionsError);
    assert.throws(() => resample({ gate: openGate(), batchSize: 1.5, seed: 1 }), OptionsError);
  });
});

async function* only<Item>(item: Item) {
  yield item;
}
