/**
 * Whether memory stays level: thousands of training steps of a small model on TensorFlow, compiled and then op by op,
 * each with a batch uploaded and a loss read. Prints resident memory and live handles at checkpoints, and how both grow a
 * step after the first quarter. Exits 1 when handles grow, or memory by more than 5 % over the last three quarters.
 *
 * Resident memory is told as it is and once V8 has collected its garbage, and judged by the latter: when V8 collects is its
 * own choice (with free memory about, it lets some hundred MB of garbage stand), and only what stays can be a leak.
 * Run: `node --import tsx bench/soak.ts [steps]`
 */
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as tf from '@tensorflow/tfjs';
import { loadTensorflow } from '../src/engine/tensorflow/index.ts';
import { useEngine } from '../src/engine/use-engine.ts';
import { openHead } from '../src/model/head.ts';
import { createRng } from '../src/stream/random.ts';
import { fromTfjs } from '../src/train/optimizers/from-tfjs.ts';
import { weightedStep } from '../src/train/step.ts';

const steps = Number(process.argv[2] ?? 20_000);
const [batch, size, classes, checkpoints] = [16, 8, 4, 20] as const;
const seed = 1;

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

interface Level {
  readonly step: number;
  /** Resident memory before garbage was collected, in bytes. */
  readonly withGarbage: number;
  readonly residentBytes: number;
  readonly handles: number;
  readonly tensors: number;
}

function build(): tf.LayersModel {
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({ filters: 8, kernelSize: 3, activation: 'relu', inputShape: [size, size, 1] }),
      tf.layers.batchNormalization(),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.flatten(),
      tf.layers.dropout({ rate: 0.2 }),
      tf.layers.dense({ units: classes, activation: 'softmax' }),
    ],
  });
  model.compile({ optimizer: tf.train.adam(1e-3), loss: 'sparseCategoricalCrossentropy' });
  return model;
}

/** Takes the steps, and notes the levels on the way. */
async function soak(compilable: boolean): Promise<{ levels: Level[]; msPerStep: number }> {
  const model = build();
  const { optimizer } = fromTfjs(model.optimizer);
  const take = weightedStep(openHead(model), { optimizer, compilable, weightDecay: 0 }, false);
  const rng = createRng(seed, 'soak');
  const levels: Level[] = [];
  const begun = process.cpuUsage();
  for (let step = 1; step <= steps; step++) {
    const loss = tf.tidy(() => {
      const images = Float32Array.from({ length: batch * size * size }, () => rng.uniform());
      const labels = Int32Array.from({ length: batch }, () => Math.floor(classes * rng.uniform()));
      const feed = { inputs: [tf.tensor4d(images, [batch, size, size, 1])], targets: [tf.tensor1d(labels, 'int32')] };
      return take(feed, tf.ones([batch]), tf.scalar(1e-3)).loss;
    });
    const [value = Number.NaN] = await loss.data();
    loss.dispose();
    if (!Number.isFinite(value)) throw new RangeError(`step ${step}: the loss is ${value}`);
    if (step % Math.ceil(steps / checkpoints) === 0) levels.push(await levelAt(step));
  }
  const { user, system } = process.cpuUsage(begun);
  optimizer.dispose();
  model.optimizer.dispose();
  model.dispose();
  return { levels, msPerStep: (user + system) / 1000 / steps };
}

async function levelAt(step: number): Promise<Level> {
  const { residentBytes: withGarbage } = engine.statistics();
  for (let i = 0; i < 2; i++) {
    collectGarbage();
    await sleep(1); // finalisers run
  }
  const { residentBytes, liveTensors } = engine.statistics();
  return { step, withGarbage, residentBytes, handles: liveTensors, tensors: tf.memory().numTensors };
}

/** The slope of a straight line through the points, by least squares. */
function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (of: (point: readonly [number, number]) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x, y] = [mean((point) => point[0]), mean((point) => point[1])];
  return mean((point) => (point[0] - x) * (point[1] - y)) / mean((point) => (point[0] - x) ** 2);
}

function isLevel(name: string, { levels, msPerStep }: Awaited<ReturnType<typeof soak>>): boolean {
  console.log(`\n${name}: ${steps} steps, ${msPerStep.toFixed(2)} ms of processor time a step`);
  console.log('     step  resident MB  collected MB  handles  tensors');
  for (const { step, withGarbage, residentBytes, handles, tensors } of levels) {
    const columns = [
      [step, 9],
      [(withGarbage / 1e6).toFixed(1), 13],
      [(residentBytes / 1e6).toFixed(1), 14],
      [handles, 9],
      [tensors, 9],
    ] as const;
    console.log(columns.map(([value, width]) => String(value).padStart(width)).join(''));
  }
  const settled = levels.slice(levels.length >> 2);
  const [first, last] = [settled[0]!, settled.at(-1)!];
  const bytes = slope(settled.map(({ step, residentBytes }) => [step, residentBytes]));
  const growth = last.residentBytes / first.residentBytes - 1;
  console.log(
    `collected resident memory: ${bytes.toFixed(0)} bytes a step, ${(100 * growth).toFixed(1)} % from step ${first.step} on; ` +
      `handles: ${last.handles - levels[0]!.handles} from the first checkpoint on`,
  );
  return growth <= 0.05 && levels.every(({ handles, tensors }) => handles === last.handles && tensors === last.tensors);
}

await useEngine('tensorflow');
const engine = await loadTensorflow();
console.log(
  `${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}, ${engine.description}, seed ${seed}`,
);
let level = true;
for (const compilable of [true, false]) {
  const result = await soak(compilable);
  level = isLevel(compilable ? 'compiled' : 'op by op', result) && level;
}
process.exitCode = level ? 0 : 1;
