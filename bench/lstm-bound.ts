/**
 * What the upper bound leaves out on an LSTM: as it trains, how well do scores that see ever more of the backward pass
 * follow the exact gradient norms?
 *
 *     node --import tsx bench/lstm-bound.ts [--task pixel-lstm] [--updates 2400] [--every 400] [--samples 512] [--seed 1]
 *
 * A sample's gradient is ‖∂L/∂θ‖² = ‖∂L/∂W_head‖² + ‖Σ_t a_t δ_tᵀ‖², with δ_t the gradient of the LSTM's pre-activation
 * at step t and a_t what its kernels are multiplied with: x_t, h_(t−1) and the bias' 1. Prints Pearson's and Spearman's
 * correlation with it, for
 *
 * - `bound`: ‖δ_head‖, the paper's; `head`: ‖δ_head‖ √(‖h_T‖² + 1), the head's gradient exactly;
 * - `h_T`: ‖W_headᵀ δ_head‖, what enters the LSTM; `last k`: the exact norm with the last k steps alone, head included;
 * - `steps apart`: √ Σ_t ‖a_t‖² ‖δ_t‖², and `steps' sum`: Σ_t ‖a_t‖ ‖δ_t‖, as if no two steps' gradients met.
 *
 * Before them the head's share of the squared norms.
 */
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { fuse } from '../src/engine/layers/fuse.ts';
import { useEngine } from '../src/engine/use-engine.ts';
import { disturb, type OpenLayer } from '../src/model/disturbed-layer.ts';
import { openHead } from '../src/model/head.ts';
import { presample } from '../src/presample/presample.ts';
import { tauGate } from '../src/resample/tau-gate.ts';
import type { Presample } from '../src/stream/presample.ts';
import type { Corpus } from '../src/stream/sample.ts';
import { fit } from '../src/train/fit.ts';
import { correlation, ranks } from './ablation/correlation.ts';
import { tasks } from './tasks/tasks.ts';

const { values: flags } = parseArgs({
  options: {
    task: { type: 'string', default: 'pixel-lstm' },
    updates: { type: 'string', default: '2400' },
    every: { type: 'string', default: '400' },
    samples: { type: 'string', default: '512' },
    seed: { type: 'string', default: '1' },
  },
});
const [updates, every, samples, seed] = [flags.updates, flags.every, flags.samples, flags.seed].map(Number) as [
  ...[number, number, number, number],
];

const engine = await useEngine('auto');
const pipeline = tasks[flags.task]!;
const corpus = await pipeline.openCorpus({ seed, engine });
const model = await pipeline.buildModel({ seed, engine, corpus });
fuse(model);
console.log(`${flags.task}, ${engine.description}, seed ${seed}, ${samples} samples: Pearson, Spearman`);
for (let update = every; update <= updates; update += every) {
  const options = { batchSize: 128, presampleSize: 128, steps: every, scheme: 'uniform', seed: seed + update } as const;
  await fit(model, corpus.train, { ...options, learningRate: 0.002, clipNorm: 1 });
  const buffer = await firstPresample(corpus.train, update);
  const { exact, headShare, scores } = measure(model, buffer);
  buffer.dispose();
  const cells = Object.entries(scores).map(
    ([name, values]) =>
      `${name} ${correlation(values, exact).toFixed(2)} ${correlation(ranks(values), ranks(exact)).toFixed(2)}`,
  );
  console.log([`${update}`, `head ${(100 * headShare).toFixed(1)} %`, ...cells].join(' | '));
}

async function firstPresample(from: Corpus, update: number): Promise<Presample> {
  const gate = tauGate({ tauThreshold: 0 });
  const stream = from.samples({ seed: 1000 + seed + update });
  const fill = presample({ schema: from.schema, gate, presampleSize: samples, batchSize: samples });
  for await (const buffer of fill(stream)) return buffer;
  throw new Error('The corpus is empty.');
}

/** One backward pass to the LSTM's and the head's pre-activations, and all scores from it. */
function measure(network: tf.LayersModel, buffer: Presample) {
  const head = openHead(network);
  const layers = network.layers as OpenLayer[]; // whose hidden fields are read
  const [lstm, dense] = [layers.findIndex((layer) => layer.getClassName() === 'LSTM'), layers.length - 1];
  const kernel = layers[dense]!.getWeights()[0] as tf.Tensor2D;
  return tf.tidy(() => {
    const seen = new Map<number, { input: tf.Tensor; shape: number[] }>();
    const run = (disturbances: readonly (tf.Tensor | undefined)[]) => {
      const undo = [lstm, dense].map((index, i) =>
        disturb(layers[index]!, disturbances[i], (input, shape) => {
          seen.get(index)?.input.dispose();
          seen.set(index, { input: tf.keep(tf.clone(input)), shape });
        }),
      );
      const z = head.forward([buffer.tensor('x')], false);
      for (const restore of undo) restore();
      return tf.sum<tf.Scalar>(head.perSampleLoss(z, [buffer.tensor('y')]));
    };
    run([]);
    const zeros = [lstm, dense].map((index) => tf.zeros(seen.get(index)!.shape));
    const [delta, deltaHead] = tf.grads((...given) => run(given))(zeros) as [tf.Tensor3D, tf.Tensor2D];
    const [a, h] = [seen.get(lstm)!.input as tf.Tensor3D, seen.get(dense)!.input as tf.Tensor2D];
    const withBias = tf.concat<tf.Tensor3D>([a, tf.ones([a.shape[0], a.shape[1], 1])], 2);
    const square = (values: tf.Tensor) =>
      tf.sum<tf.Tensor1D>(
        tf.square(values),
        values.shape.slice(1).map((_, i) => i + 1),
      );
    const headSquare = tf.mul<tf.Tensor1D>(square(deltaHead), tf.add(square(h), 1));
    const stepsOf = (values: tf.Tensor3D, k: number) =>
      tf.slice(values, [0, values.shape[1] - k, 0], [values.shape[0], k, values.shape[2]]);
    const lastSteps = (k: number) =>
      tf.sqrt(tf.add(headSquare, square(tf.matMul(stepsOf(withBias, k), stepsOf(delta, k), true, false))));
    const norms = tf.mul(tf.norm(withBias, 2, 2), tf.norm(delta, 2, 2)); // [B, T]
    const length = a.shape[1];
    const read = (values: tf.Tensor) => values.dataSync<'float32'>();
    const exact = lastSteps(length);
    const early = [1, 4, 12, 24].filter((k) => k < length);
    const result = {
      exact: read(exact),
      headShare: tf.sum(headSquare).dataSync()[0]! / tf.sum(tf.square(exact)).dataSync()[0]!,
      scores: {
        bound: read(tf.sqrt(square(deltaHead))),
        head: read(tf.sqrt(headSquare)),
        h_T: read(tf.sqrt(square(tf.matMul<tf.Tensor2D>(deltaHead, kernel, false, true)))),
        ...Object.fromEntries(early.map((k) => [`last ${k}`, read(lastSteps(k))])),
        'steps apart': read(tf.sqrt(tf.add(headSquare, tf.sum(tf.square(norms), 1)))),
        "steps' sum": read(tf.sum(norms, 1)),
      },
    };
    for (const { input } of seen.values()) input.dispose();
    return result;
  });
}
