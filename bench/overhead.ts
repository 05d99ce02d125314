/**
 * What the pipeline costs: scoring against a bare `model.predict`, the whole loop with the uniform scheme against a loop
 * written by hand over tensors that lie ready, and reading alone. Pairs are measured in turn; medians of their ratios.
 *
 *     node --import tsx bench/overhead.ts [--engine wasm] [--pairs 9] [--seed 7]
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { mobyDick } from '../corpora/moby-dick/recipe.ts';
import { fetchCorpus } from '../src/corpus/recipe.ts';
import { textCorpus } from '../src/corpus/text-corpus.ts';
import type { EngineName } from '../src/engine/engine.ts';
import { fuse } from '../src/engine/layers/fuse.ts';
import { useEngine } from '../src/engine/use-engine.ts';
import { modelScorer } from '../src/importance/model-scorer.ts';
import { uniform } from '../src/importance/uniform.ts';
import { upperBound } from '../src/importance/upper-bound.ts';
import { charLstm } from '../src/model/char-lstm.ts';
import { openHead } from '../src/model/head.ts';
import { presample } from '../src/presample/presample.ts';
import { tauGate } from '../src/resample/tau-gate.ts';
import type { Presample } from '../src/stream/presample.ts';
import { fit } from '../src/train/fit.ts';
import { adam } from '../src/train/optimizers/adam.ts';
import { weightedStep } from '../src/train/step.ts';
import { median } from './median.ts';

const { values: flags } = parseArgs({
  options: {
    engine: { type: 'string', default: 'wasm' },
    pairs: { type: 'string', default: '9' },
    seed: { type: 'string', default: '7' },
  },
});
const [pairs, seed] = [Number(flags.pairs), Number(flags.seed)];
const [window, batchSize, presampleSize, stepsATime] = [64, 32, 128, 48];

const engine = await useEngine(flags.engine as EngineName);
const { files } = await fetchCorpus(mobyDick);
const corpus = await textCorpus({ path: files[0]!, window });
console.log(
  `${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores; Node ${process.version}, tfjs ${tf.version.tfjs}; ${engine.description}; seed ${seed}`,
);
console.log(
  `char LSTM, ${window} characters, 128 units, b ${batchSize}, B ${presampleSize}; medians of ${pairs} pairs\n`,
);

const model = charLstm({ vocabularySize: corpus.vocabulary.size, units: 128, seed });
model.compile({ optimizer: tf.train.adam(1e-3), loss: 'sparseCategoricalCrossentropy' });
fuse(model);
const head = openHead(model);

const milliseconds = async (work: () => Promise<unknown>): Promise<number> => {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
};

type Measure = () => Promise<number>;

/** Runs both in turn, ours first every other time, and gives the medians and that of the ratios. */
async function inPairs(ours: Measure, peer: Measure) {
  const times: [number, number][] = [];
  for (let i = -2; i < pairs; i++) {
    const peerFirst = i % 2 === 0 ? await peer() : undefined;
    const own = await ours();
    const other = peerFirst ?? (await peer());
    if (i >= 0) times.push([own, other]); // the first two warm up
  }
  return {
    ours: median(times.map(([own]) => own)),
    peer: median(times.map(([, other]) => other)),
    ratio: median(times.map(([own, other]) => own / other)),
  };
}

async function presampleOf(size: number): Promise<Presample> {
  const fill = presample({
    schema: corpus.schema,
    gate: tauGate({ tauThreshold: 0 }),
    presampleSize: size,
    batchSize: 1,
  });
  for await (const buffer of fill(corpus.samples({ seed }))) return buffer;
  throw new Error('the corpus is empty');
}

async function scoring() {
  const buffer = await presampleOf(presampleSize);
  const scorer = modelScorer(head, { scheme: upperBound, schema: corpus.schema, scoreBatchSize: presampleSize });
  const forward = engine.compile((x: tf.Tensor) => model.predict(x, { batchSize: presampleSize }) as tf.Tensor);
  const result = await inPairs(
    () => milliseconds(() => scorer.score(buffer)),
    () =>
      milliseconds(async () => {
        const prediction = forward(buffer.tensor('x'));
        await prediction.data();
        prediction.dispose();
      }),
  );
  buffer.release();
  return result;
}

/** The very step that the trainer takes, over batches that lie on the engine already. */
async function wholeLoop() {
  const ready = await Promise.all(Array.from({ length: stepsATime }, () => presampleOf(batchSize)));
  const options = { optimizer: adam({ learningRate: 1e-3 }), compilable: true, scheme: uniform, weightDecay: 0 };
  const step = weightedStep(head, options, false);
  const [ones, rate] = [tf.ones<tf.Rank.R1>([batchSize]), tf.scalar(1e-3)];
  for (const batch of ready) [batch.tensor('x'), batch.tensor('y')].forEach((tensor) => tensor.dataSync());
  const byHand = async () => {
    for (const batch of ready) {
      const { loss } = step({ inputs: [batch.tensor('x')], targets: [batch.tensor('y')] }, ones, rate);
      await loss.data();
      loss.dispose();
    }
  };
  /** From the end of the first step on: opening the corpus and filling its shuffle buffer happen once a run. */
  const streamed = async () => {
    let begun = 0;
    await fit(model, corpus, {
      scheme: 'uniform',
      steps: stepsATime + 1,
      batchSize,
      presampleSize,
      learningRate: 1e-3,
      seed,
      onStep: (record) => {
        if (record.step === 1) begun = performance.now();
      },
    });
    return performance.now() - begun;
  };
  const result = await inPairs(streamed, () => milliseconds(byHand));
  for (const batch of ready) batch.release();
  return result;
}

async function reading(windows = 200_000): Promise<number> {
  const rates: number[] = [];
  for (let i = 0; i < 3; i++) {
    let left = windows;
    const time = await milliseconds(async () => {
      for await (const _ of corpus.samples({ seed: seed + i })) if (--left === 0) break;
    });
    rates.push((windows / time) * 1000);
  }
  return median(rates);
}

const score = await scoring();
console.log(
  `scoring B / bare predict of B:             ${score.ratio.toFixed(3)}  (${score.ours.toFixed(1)} / ${score.peer.toFixed(1)} ms; goal at most 1.10)`,
);
const loop = await wholeLoop();
const samples = stepsATime * batchSize;
console.log(
  `samples/s, whole loop / loop by hand:      ${(1 / loop.ratio).toFixed(3)}  (${((samples / loop.ours) * 1000).toFixed(0)} / ${((samples / loop.peer) * 1000).toFixed(0)} samples/s; goal at least 0.95)`,
);
const rate = await reading();
console.log(
  `windows/s read / goal of 200,000:          ${(rate / 200_000).toFixed(3)}  (${rate.toFixed(0)} windows/s; memory by size of corpus: bench/reading.ts)`,
);
