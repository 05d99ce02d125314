import assert from 'node:assert/strict';
import { JobScoring } from '../../src/cluster/job-scoring.ts';
import { orderOf } from '../../src/cluster/fingerprint.ts';
import { packPart, unpackPart, type Part } from '../../src/cluster/part.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import { schemeOf } from '../../src/importance/schemes.ts';
import { openHead } from '../../src/model/head.ts';
import { parseOptions } from '../../src/options.ts';
import { FitValues } from '../../src/train/fit-options.ts';
import { toyPipeline } from './toy-pipeline.ts';

/** A worker's job, with parameters of some seed: those of another seed are as old as can be. */
async function scoring(modelSeed: number, draws = 1) {
  const engine = await useEngine('cpu');
  const pipeline = toyPipeline();
  const corpus = await pipeline.openCorpus({ seed: 3, engine });
  const model = await pipeline.buildModel({ seed: modelSeed, engine, corpus });
  const values = parseOptions('test', FitValues, { presampleSize: 12, batchSize: 4, seed: 3, steps: 1, draws });
  const order = orderOf(corpus.train, { seed: 3 });
  const head = openHead(model);
  return {
    job: new JobScoring({ head, scheme: schemeOf('upper-bound'), values, corpus: corpus.train, order }),
    corpus,
  };
}

const signal = new AbortController().signal;

async function partsOf({ job }: Awaited<ReturnType<typeof scoring>>, from: number, to: number) {
  const opened = job.open({ from, to, phase: 'importance' }, signal);
  const parts: { ids: readonly string[]; part: Part }[] = [];
  for await (const presample of opened.presamples) {
    const part = await job.score({ job: 0, phase: 'importance' }, parts.length, presample, 5);
    parts.push({ ids: presample.ids, part });
    presample.release();
  }
  return { parts, counts: opened.counts() };
}

describe('JobScoring', () => {
  it('reads exactly the samples of its places, whatever job comes before', async () => {
    const work = await scoring(3);
    const whole = await partsOf(work, 0, 72);
    const [a, b] = [await partsOf(work, 24, 72), await partsOf(work, 0, 24)];
    const ids = ({ parts }: typeof whole) => parts.flatMap((one) => one.ids);
    assert.deepEqual([...ids(b), ...ids(a)], ids(whole));
    assert.deepEqual(a.counts, { samples: 48, left: 0 });
  });

  it('goes on from one epoch into the next within a job', async () => {
    const { parts } = await partsOf(await scoring(3), 120, 132);
    assert.equal(parts.length, 1);
    assert.equal(parts[0]!.ids.length, 12);
  });

  it('draws the same from the same scores, so that a job done twice gives the same minibatches', async () => {
    const [first, again] = [await partsOf(await scoring(3), 12, 24), await partsOf(await scoring(3), 12, 24)];
    assert.deepEqual(first.parts[0]!.part.draws, again.parts[0]!.part.draws);
  });

  for (const [age, seed] of [
    ['of now', 3],
    ['of long ago', 99],
  ] as const)
    it(`weighs without bias by parameters ${age}`, async () => {
      const { parts } = await partsOf(await scoring(seed, 300), 0, 12);
      const { ids, part } = parts[0]!;
      const total = part.scores!.reduce((sum, score) => sum + score, 0);
      const probability = new Map(ids.map((id, row) => [id, part.scores![row]! / total]));
      const weight = new Map<string, number>();
      for (const { picks, weights, probabilities } of part.draws)
        for (const [i, pick] of picks.entries()) {
          const id = part.ids[pick]!;
          assert.ok(Math.abs(probabilities![i]! - probability.get(id)!) < 1e-6);
          weight.set(id, weights[i]!);
        }
      assert.equal(weight.size, 12); // 1200 draws of 12 rows: each has come
      // The expectation over the draw, exactly: Σ p_i w_i G_i, for gradients G of now, which the scores know nothing of.
      const gradients = ids.map((_, row) => Math.sin(7 * row) + row / 3);
      const mean = gradients.reduce((sum, gradient) => sum + gradient, 0) / 12;
      const expected = ids.reduce((sum, id, row) => sum + probability.get(id)! * weight.get(id)! * gradients[row]!, 0);
      assert.ok(Math.abs(expected - mean) < 1e-5, `${expected} is not ${mean}`);
    });
});

describe('unpackPart', () => {
  it('gives back what was packed, and refuses what the schema has not', async () => {
    const work = await scoring(3);
    const { part } = (await partsOf(work, 0, 12)).parts[0]!;
    const { schema } = work.corpus.train;
    assert.deepEqual(unpackPart(packPart(part), schema), part);
    const other = { ...schema, x: { type: 'float32', shape: [9] } } as const;
    assert.throws(() => unpackPart(packPart(part), other), { code: 'ERR_CLUSTER', message: /column `x`/u });
    const beyond = { ...part, draws: [{ ...part.draws[0]!, picks: Int32Array.of(0, 1, 2, 99) }] };
    assert.throws(() => unpackPart(packPart(beyond), schema), { code: 'ERR_CLUSTER', message: /picks below/u });
    assert.throws(() => unpackPart(packPart({ ...part, protocol: 2 as 1 }), schema), { message: /protocol/u });
    assert.throws(() => unpackPart(Uint8Array.of(193), schema), { code: 'ERR_CLUSTER' });
    assert.throws(() => unpackPart(packPart(part).subarray(0, 200), schema), { code: 'ERR_CLUSTER' });
  });
});
