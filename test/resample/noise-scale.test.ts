import assert from 'node:assert/strict';
import { OptionsError } from '../../src/errors.ts';
import { Costs } from '../../src/resample/costs.ts';
import { gainOf, NoiseScale, progressBreakEven } from '../../src/resample/noise-scale.ts';
import { tauGate } from '../../src/resample/tau-gate.ts';
import { createRng } from '../../src/stream/random.ts';

const near = (value: number, wanted: number, tolerance: number) =>
  assert.ok(Math.abs(value - wanted) <= tolerance * Math.abs(wanted), `${value} is not ${wanted}`);

/** Successive gradients of b samples: a fixed mean, and independent noise of a known covariance. */
function noisyGradients(steps: number, effective: number) {
  const rng = createRng(7, 'gradients');
  const [width, sigma] = [200, 0.5];
  const mean = Array.from({ length: width }, (_, i) => 0.1 * Math.sin(i));
  const normal = () => Math.sqrt(-2 * Math.log(1 - rng.uniform())) * Math.cos(2 * Math.PI * rng.uniform());
  const scale = new NoiseScale(0.999);
  let before: number[] | undefined;
  for (let i = 0; i < steps; i++) {
    const g = mean.map((m) => m + (sigma / Math.sqrt(effective)) * normal());
    const dot = (a: number[], b: number[]) => a.reduce((sum, value, j) => sum + value * b[j]!, 0);
    if (before) scale.observe(dot(g, g), dot(g, before), effective);
    before = g;
  }
  const signal = mean.reduce((sum, m) => sum + m * m, 0);
  return { scale, truth: (width * sigma ** 2) / signal };
}

describe('NoiseScale', () => {
  it('finds tr(Σ) / |G|² of gradients whose noise is known, whatever the batch', () => {
    for (const effective of [8, 64, 200]) {
      const { scale, truth } = noisyGradients(2000, effective);
      near(scale.value, truth, 0.1);
    }
  });

  it('says 0 until it has seen enough, and Infinity without a signal', () => {
    const scale = new NoiseScale();
    for (let i = 0; i < 19; i++) scale.observe(1, -0.1, 8);
    assert.equal(scale.value, 0);
    scale.observe(1, -0.1, 8);
    assert.equal(scale.value, Infinity);
  });

  it('goes on from a saved state', () => {
    const { scale } = noisyGradients(50, 8);
    const other = new NoiseScale(0.999);
    other.restore(structuredClone(scale.state()));
    assert.equal(other.value, scale.value);
    const [signal = 0, noise = 0, observations = 0] = scale.state();
    other.restore([signal, noise, 0.4, observations]); // as it was saved before
    assert.deepEqual([other.value, other.observations], [scale.value, observations]);
  });
});

describe('gainOf', () => {
  it('lies between 1 and both of its limits, and grows with τ', () => {
    assert.equal(gainOf(0, 3), 1);
    assert.equal(gainOf(5, 1), 1);
    near(gainOf(1e9, 2), 4, 1e-6);
    near(gainOf(3, 1e9), 4, 1e-6);
    assert.equal(gainOf(Infinity, 2), 4);
  });
});

describe('progressBreakEven', () => {
  it('is the τ at which progress a second is equal', () => {
    for (const [n, slowdown] of [
      [1, 1.5],
      [10, 2.5],
      [100, 1.1],
    ] as const) {
      const at = progressBreakEven(n, slowdown);
      near(gainOf(n, at), slowdown, 1e-9);
    }
  });

  it('is out of reach where noise does not limit, and √c where it is all', () => {
    assert.equal(progressBreakEven(0.5, 1.6), Infinity);
    assert.equal(progressBreakEven(0, 1), Infinity);
    assert.equal(progressBreakEven(Infinity, 4), 2);
  });
});

describe('tauGate on progress', () => {
  const peaked = [0, 0, 0, 1]; // τ = 2
  const gateWith = (noise: number) => {
    const gate = tauGate({ tauThreshold: 'progress', noise: () => noise, presampleSize: 8, batchSize: 4, draws: 2 });
    gate.observe(peaked);
    return gate;
  };
  it('stays shut while noise does not limit, though τ is large', () => {
    // 8 scored for 2 draws of 4: a third more, by the paper's costs.
    assert.equal(gateWith(0.3).isOpen, false);
    assert.equal(gateWith(3).isOpen, true);
  });

  it('divides the cost of scoring among the draws', () => {
    const costs = new Costs();
    costs.scored(10, 10);
    costs.trained(10, 40);
    near(costs.slowdown(640, 128, 1), 1 + 640 / 512, 1e-12);
    near(costs.slowdown(640, 128, 5), 1 + 128 / 512, 1e-12);
  });

  it('refuses a threshold of no meaning', () => {
    assert.throws(() => tauGate({ tauThreshold: 'best' as never }), OptionsError);
  });
});
