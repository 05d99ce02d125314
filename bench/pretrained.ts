/**
 * EfficientNet-Lite0 as `pretrained` opens it against the code that its weights were trained for, in PyTorch, from the same
 * file of weights: features and probabilities of photos and of noise must agree to 1e-4 of the largest.
 *
 *     bench/peers/make-venv.sh && npx tsx bench/pretrained.ts [--engine tensorflow] [--python FILE]
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { cacheFolder } from '../src/corpus/data-folder.ts';
import type { EngineName } from '../src/engine/engine.ts';
import { useEngine } from '../src/engine/use-engine.ts';
import { pretrained } from '../src/model/pretrained/pretrained.ts';
import { createRng } from '../src/stream/random.ts';

const TOLERANCE = 1e-4;
const ROWS = 4;
const FEATURES = 1280;
const peers = fileURLToPath(new URL('peers', import.meta.url));
const { values: flags } = parseArgs({
  options: {
    engine: { type: 'string', default: 'auto' },
    python: { type: 'string', default: join(peers, '.venv/bin/python') },
  },
});

/** Stripes, a disc, noise and a ramp: pictures that excite all that a network looks for, and need no download. */
function pictures(): Uint8Array {
  const rng = createRng(1, 'pictures');
  const value = (row: number, y: number, x: number, c: number) =>
    [
      127 + 127 * Math.sin((x + (c + 1) * y) / 9),
      Math.hypot(x - 112, y - 90) < 70 ? 220 - 60 * c : 30 + 40 * c,
      255 * rng.uniform(),
      (x * (c + 1) + y) % 256,
    ][row]!;
  const size = 224 * 224 * 3;
  return Uint8Array.from({ length: ROWS * size }, (_, i) => {
    const at = Math.floor((i % size) / 3);
    return value(Math.floor(i / size), Math.floor(at / 224), at % 224, i % 3);
  });
}

const engine = await useEngine(flags.engine as EngineName | 'auto');
console.log(`${cpus()[0]?.model}, Node ${process.version}, ${engine.description}, seed 1`);
const model = await pretrained('efficientnet-lite0');
const both = tf.model({
  inputs: model.inputs,
  outputs: [model.getLayer('features').output as tf.SymbolicTensor, ...model.outputs], // one output each
});
const pixels = pictures();
const x = tf.tensor4d(Float32Array.from(pixels), [ROWS, 224, 224, 3]);
const joined = tf.tidy(() => tf.concat(both.predict(x) as tf.Tensor[], 1));
const own = await joined.data();

const folder = await mkdtemp(join(tmpdir(), 'taustream-pretrained-'));
try {
  const root = process.env['TAUSTREAM_CACHE'] ?? cacheFolder(process.platform, process.env);
  const weights = join(root, 'pretrained', 'efficientnet-lite0', 'weights.pth');
  const [input, output] = [join(folder, 'pixels.bin'), join(folder, 'out.bin')];
  await writeFile(input, pixels);
  const script = join(peers, 'pretrained_peer.py');
  const { stdout } = await promisify(execFile)(flags.python, [script, weights, input, String(ROWS), output]);
  console.log(stdout.trim());
  const bytes = await readFile(output);
  const theirs = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const width = own.length / ROWS;
  for (const [what, isMeant] of [
    ['features', (i: number) => i % width < FEATURES],
    ['probabilities', (i: number) => i % width >= FEATURES],
  ] as const) {
    const pairs = Array.from(own, (value, i) => [value, theirs[i] ?? Number.NaN] as const).filter((_, i) => isMeant(i));
    const largest = Math.max(...pairs.map(([, value]) => Math.abs(value)));
    const worst = Math.max(...pairs.map(([value, other]) => Math.abs(value - other))) / largest;
    const isRight = worst <= TOLERANCE && theirs.length === own.length;
    console.log(
      `${what.padEnd(14)} largest difference ${worst.toExponential(1)} of the largest, ${largest.toPrecision(3)}${isRight ? '' : '  WRONG'}`,
    );
    if (!isRight) process.exitCode = 1;
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
