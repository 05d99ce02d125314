import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { Option, type Command } from 'commander';
import { decodeImage, ImageOptions } from '../corpus/formats/image.ts';
import { engineNames, type EngineName } from '../engine/engine.ts';
import { CorpusError, isTaustreamError, messageOf } from '../errors.ts';
import { imageDetails, type ImageDetails } from '../model/pretrained/image-details.ts';
import { withNormalization } from '../model/pretrained/normalization.ts';
import { openModel } from '../model/pretrained/open-model.ts';
import { percent } from '../report/format.ts';
import { wholeAbove } from './arguments.ts';
import type { Host } from './host.ts';
import { pictureFiles, type PictureFile } from './picture-files.ts';

interface Flags {
  readonly top: number;
  readonly engine?: EngineName | 'auto';
  readonly json?: boolean;
}

/** A class that a picture may show. */
interface Guess {
  readonly class: string;
  readonly probability: number;
}

/** What is said of a file: what it shows, or why that cannot be said. */
type Prediction = { readonly file: string } & ({ readonly classes: readonly Guess[] } | { readonly error: string });

/** `taustream predict MODEL IMAGE...` */
export function addPredictCommand(program: Command, host: Host, exit: (code: number) => void): void {
  program
    .command('predict')
    .description('Says what pictures show, by a model that knows its classes and how it takes pictures.')
    .argument('<MODEL>', 'a saved model, or the run folder that holds it')
    .argument('<IMAGE...>', 'JPEG, PNG, WebP, GIF, TIFF or AVIF files, or folders or zips of them')
    .option('--top <k>', 'classes named for each picture', wholeAbove(0), 3)
    .addOption(new Option('--engine <name>', 'where to compute').choices([...engineNames, 'auto']))
    .option('--json', 'print one JSON object a picture and line, and nothing else, on stdout')
    .addHelpText('after', help)
    .action(async (model: string, images: string[], flags: Flags) => exit(await run(model, images, flags, host)));
}

const help = `
A file that is no picture is named on stderr and passed over; the exit code is 1 then.

Examples
  taustream predict runs/tuxpaint-finetune cat.png
  taustream predict runs/tuxpaint-finetune/model photos/*.jpg --top 1 --json
  taustream predict runs/tuxpaint-finetune corpora/tuxpaint-six/data/test.zip`;

/** Pictures in one forward pass. */
const BATCH = 16;

/** @returns the exit code */
async function run(
  path: string,
  files: readonly string[],
  { top, engine, json = false }: Flags,
  host: Host,
): Promise<number> {
  await host.useEngine(engine ?? 'auto');
  const model = withNormalization(await openModel(await modelIn(path))); // pixels come as they are decoded
  try {
    const details = imageDetails(model);
    let failed = 0;
    for await (const batch of batches(pictureFiles(files)))
      for (const prediction of await predict(model, details, batch, top)) {
        if ('error' in prediction) failed += 1;
        print(prediction, json, host);
      }
    return failed > 0 ? 1 : 0;
  } finally {
    model.dispose();
  }
}

async function* batches(files: AsyncIterable<PictureFile>): AsyncGenerator<PictureFile[], void, void> {
  let batch: PictureFile[] = [];
  for await (const file of files) {
    batch.push(file);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** A run folder holds its model in `model`. */
async function modelIn(path: string): Promise<string> {
  const inRun = join(path, 'model');
  return stat(join(inRun, 'model.json')).then(
    () => inRun,
    () => path, // none there: what was named is the model
  );
}

async function predict(
  model: tf.LayersModel,
  details: ImageDetails,
  files: readonly PictureFile[],
  top: number,
): Promise<Prediction[]> {
  const decoded = await Promise.all(files.map((file) => decode(file, details)));
  const { height, width, channels } = details;
  const pictures = decoded.filter((pixels) => pixels instanceof Uint8Array);
  const size = height * width * channels;
  const stacked = new Float32Array(pictures.length * size);
  for (const [i, pixels] of pictures.entries()) stacked.set(pixels, i * size);
  const output = tf.tidy(
    () => model.predict(tf.tensor4d(stacked, [pictures.length, height, width, channels])) as tf.Tensor,
  );
  const probabilities = pictures.length > 0 ? await output.data() : new Float32Array();
  const classes = output.shape.at(-1)!;
  output.dispose();
  let row = 0;
  return files.map(({ name: file }, i) => {
    const pixels = decoded[i]!;
    if (!(pixels instanceof Uint8Array)) return { file, error: pixels.message };
    const own = probabilities.subarray(row * classes, (row += 1) * classes);
    return { file, classes: bestOf(own, details, top) };
  });
}

async function decode({ name: file, read }: PictureFile, details: ImageDetails): Promise<Uint8Array | Error> {
  const { height, width, channels, fit, kernel, background } = details;
  const image = ImageOptions.parse({ height, width, channels, fit, kernel, background });
  try {
    return await decodeImage(await read(), { image }, { shard: file, offset: 0, id: file });
  } catch (error) {
    if (isTaustreamError(error)) return error;
    const reason = messageOf(error);
    return new CorpusError(`${file}: expected a picture, got ${reason}. Check the path.`, { file }, { cause: error });
  }
}

const bestOf = (probabilities: ArrayLike<number>, { classNames }: ImageDetails, top: number): Guess[] =>
  Array.from(probabilities, (probability, i) => ({ class: classNames?.[i] ?? `class ${i}`, probability }))
    .toSorted((a, b) => b.probability - a.probability)
    .slice(0, top);

function print(prediction: Prediction, json: boolean, { stdout, stderr, colors }: Host): void {
  if (json) stdout.write(`${JSON.stringify(prediction)}\n`);
  else if ('classes' in prediction) {
    const guesses = prediction.classes.map((guess) => `${guess.class} ${percent(guess.probability)}`);
    stdout.write(`${prediction.file}  ${guesses.join(', ')}\n`);
  }
  if ('error' in prediction) stderr.write(`${colors.red('taustream:')} ${prediction.error}\n`);
}
