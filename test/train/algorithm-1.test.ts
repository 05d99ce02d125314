import assert from 'node:assert/strict';
import { importance } from '../../src/importance/importance.ts';
import { presample } from '../../src/presample/presample.ts';
import { resample } from '../../src/resample/resample.ts';
import { tauGate } from '../../src/resample/tau-gate.ts';
import { createRng } from '../../src/stream/random.ts';
import { runPipeline } from '../../src/stream/run-pipeline.ts';
import { asReadable, asTransform } from '../../src/stream/transform.ts';
import { createTurnstile } from '../../src/stream/turnstile.ts';
import type { Minibatch } from '../../src/stream/minibatch.ts';

/*
 * The whole of Algorithm 1 against a slow reference of plain arrays and loops. The model is least squares on one number,
 * y ≈ θ x: its parameter moves with every step, so a score computed too early or a gate asked too soon shows at once.
 */
const [B, b, tauThreshold, tauSmoothing, eta, seed, steps] = [24, 6, 1.25, 0.7, 0.02, 11, 200];

const sampleAt = (i: number) => {
  const rng = createRng(3, 'sample', i);
  const x = 4 * rng.uniform() ** 3 + 0.05;
  return { id: `s:${i}`, x, y: 0.7 * x + (i % 13 === 0 ? 6 * rng.uniform() : 0.2 * rng.uniform()) };
};
const scoreOf = (theta: number, { x, y }: { x: number; y: number }) => Math.abs(theta * x - y);

interface Trace {
  readonly ids: readonly string[];
  readonly weights: number[];
  readonly tau: number;
  readonly phase: string;
  readonly theta: number;
}

/** The reference: no streams, no typed arrays, nothing shared with the code but the random numbers. */
function reference(): Trace[] {
  const uniform = createRng(seed, 'resample');
  const trace: Trace[] = [];
  let [next, theta, average, observed, open] = [0, 0, 0, 0, false];
  const observe = (scores: number[]) => {
    const total = scores.reduce((sum, score) => sum + score, 0);
    const g = scores.map((score) => score / total);
    const u = 1 / g.length;
    const tau = (1 - g.reduce((sum, gi) => sum + (gi - u) ** 2, 0) / g.reduce((sum, gi) => sum + gi ** 2, 0)) ** -0.5;
    observed += 1;
    average = tauSmoothing * average + (1 - tauSmoothing) * tau;
    open = average / (1 - tauSmoothing ** observed) > tauThreshold;
    return g;
  };
  const smoothed = () => (observed === 0 ? 1 : average / (1 - tauSmoothing ** observed));

  while (trace.length < steps) {
    const fetched = Array.from({ length: open ? B : b }, () => sampleAt(next++));
    const phase = open ? 'importance' : 'uniform';
    // The pipeline's scores are float32, as an engine gives them.
    const scores = fetched.map((sample) => Math.fround(scoreOf(theta, sample)));
    let batch = fetched.map((sample) => ({ sample, weight: 1 }));
    let tau = smoothed();
    if (phase === 'importance') {
      const g = observe(scores);
      tau = smoothed();
      batch = Array.from({ length: b }, () => {
        let [left, row] = [uniform.uniform(), 0];
        while (row < B - 1 && left >= g[row]!) left -= g[row++]!;
        return { sample: fetched[row]!, weight: 1 / (B * g[row]!) };
      });
    } else observe(scores);
    const gradient =
      batch.reduce((sum, { sample: { x, y }, weight }) => sum + weight * 2 * (theta * x - y) * x, 0) / batch.length;
    theta -= eta * gradient;
    trace.push({
      ids: batch.map(({ sample }) => sample.id),
      weights: batch.map(({ weight }) => weight),
      tau,
      phase,
      theta,
    });
  }
  return trace;
}

/** The same through the stages, as Node streams in lockstep. */
async function streamed(): Promise<Trace[]> {
  const trace: Trace[] = [];
  let theta = 0;
  const column = (name: string, batch: { column(name: string): { data: ArrayLike<number> } }) =>
    batch.column(name).data;
  const scoresOf = (batch: { ids: readonly string[]; column(name: string): { data: ArrayLike<number> } }) =>
    Float32Array.from(batch.ids, (_, i) => scoreOf(theta, { x: column('x', batch)[i]!, y: column('y', batch)[i]! }));
  const gate = tauGate({ tauThreshold, tauSmoothing });
  const turnstile = createTurnstile(0);
  const float = { type: 'float32', shape: [] } as const;
  const samples = (async function* () {
    for (let i = 0; ; i++) yield sampleAt(i);
  })();
  const train = async (batches: AsyncIterable<Minibatch>) => {
    for await (const batch of batches) {
      const [x, y] = [column('x', batch), column('y', batch)];
      if (batch.phase === 'uniform') gate.observe(scoresOf(batch));
      const gradient =
        [...batch.weights].reduce((sum, w, i) => sum + w * 2 * (theta * x[i]! - y[i]!) * x[i]!, 0) / batch.size;
      theta -= eta * gradient;
      trace.push({ ids: batch.ids, weights: [...batch.weights], tau: batch.tau, phase: batch.phase, theta });
      batch.dispose();
      turnstile.stepped();
      turnstile.leave();
      if (trace.length === steps) return;
    }
  };
  await runPipeline(
    [
      asReadable(samples, 16),
      asTransform(presample({ schema: { x: float, y: float }, gate, turnstile, presampleSize: B, batchSize: b }), 1),
      asTransform(importance({ score: async (buffer) => scoresOf(buffer) }), 1),
      asTransform(resample({ gate, batchSize: b, seed }), 1),
    ],
    train,
  );
  return trace;
}

describe('Algorithm 1', () => {
  it('takes the same ids, weights, τ and gate decisions as a slow reference for 200 steps', async () => {
    const [expected, got] = [reference(), await streamed()];
    const phases = expected.map(({ phase }) => phase);
    assert.ok(phases.includes('uniform') && phases.includes('importance'), 'the case has both phases');
    assert.deepEqual(
      got.map(({ phase }) => phase),
      phases,
    );
    assert.deepEqual(
      got.map(({ ids }) => ids),
      expected.map(({ ids }) => ids),
    );
    const near = (value: number, wanted: number, step: number) =>
      assert.ok(Math.abs(value - wanted) < 1e-4 * (1 + Math.abs(wanted)), `step ${step}: ${value} is not ${wanted}`);
    expected.forEach((wanted, step) => {
      near(got[step]!.tau, wanted.tau, step);
      near(got[step]!.theta, wanted.theta, step);
      wanted.weights.forEach((weight, i) => near(got[step]!.weights[i]!, weight, step));
    });
  });
});
