/**
 * One training step of a character LSTM on WASM: stock TensorFlow.js layers on the stock backend against fused layers on
 * our kernels, in one process, in this order. Run: `node --import tsx bench/wasm-lstm.ts [steps]`
 */
import { cpus } from 'node:os';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { fuse } from '../src/engine/layers/fuse.ts';
import { useEngine } from '../src/engine/use-engine.ts';

const [steps, batch, characters, units] = [64, 32, 80, 128] as const;
const runs = Number(process.argv[2] ?? 7);
type Input = 'one-hot' | 'embedding';
type Optimizer = 'sgd' | 'adam';

function build(input: Input): tf.Sequential {
  const first = { batchInputShape: [batch, steps, characters] };
  const recurrent = { units, returnSequences: true, recurrentActivation: 'sigmoid' } as const;
  const layers =
    input === 'one-hot'
      ? [tf.layers.lstm({ ...recurrent, ...first })]
      : [
          tf.layers.embedding({ inputDim: characters, outputDim: characters, batchInputShape: [batch, steps] }),
          tf.layers.lstm(recurrent),
        ];
  return tf.sequential({ layers: [...layers, tf.layers.dense({ units: characters, activation: 'softmax' })] });
}

/** Milliseconds a step, the median; the first three do not count. */
async function measure(input: Input, optimizer: Optimizer, isFused: boolean): Promise<number> {
  const model = build(input);
  if (isFused) fuse(model);
  model.compile({
    optimizer: optimizer === 'sgd' ? tf.train.sgd(0.1) : tf.train.adam(),
    loss: 'categoricalCrossentropy',
  });
  const indices = tf.randomUniform([batch, steps], 0, characters, 'int32', 1);
  const oneHot = tf.oneHot(indices, characters).toFloat();
  const times: number[] = [];
  for (let i = 0; i < runs + 3; i++) {
    const start = performance.now();
    await model.trainOnBatch(input === 'one-hot' ? oneHot : indices, oneHot);
    if (i >= 3) times.push(performance.now() - start);
  }
  tf.dispose([indices, oneHot]);
  model.dispose();
  return times.toSorted((a, b) => a - b)[times.length >> 1]!;
}

const cases = (['one-hot', 'embedding'] as const).flatMap((input) =>
  (['sgd', 'adam'] as const).map((optimizer) => ({ input, optimizer })),
);
/** Stock WASM lacks the embedding's gradient, so there is nothing to compare with. */
const stockCan = (input: Input) => input === 'one-hot';

await tf.setBackend('wasm');
const stock: (number | undefined)[] = [];
for (const { input, optimizer } of cases)
  stock.push(stockCan(input) ? await measure(input, optimizer, false) : undefined);
const engine = await useEngine('wasm');

console.log(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}, ${engine.description}`);
console.log(`T ${steps}, B ${batch}, ${characters} characters, H ${units}; ms a training step, medians of ${runs}`);
for (const [i, { input, optimizer }] of cases.entries()) {
  const ours = await measure(input, optimizer, true);
  const before = stock[i];
  const against =
    before === undefined ? 'stock cannot' : `stock ${before.toFixed(0)}, ${(before / ours).toFixed(1)} times as fast`;
  console.log(`${input.padEnd(9)} ${optimizer.padEnd(4)} ours ${ours.toFixed(1).padStart(6)}   ${against}`);
}
