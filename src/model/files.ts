import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { ModelError, RunError, messageOf } from '../errors.ts';
import { isMissing } from '../is-missing.ts';
import { replaceFolder } from '../replace-folder.ts';

/** What is saved beside the model: a text or bytes as they are, anything else as JSON. By file name. */
export type ExtraFiles = Readonly<Record<string, unknown>>;

const ownFiles = new Set(['model.json', 'weights.bin']);

/**
 * Saves a model in the tfjs layers format: `model.json` and `weights.bin`, which any tfjs loads (in a browser with
 * `tf.loadLayersModel('…/model.json')`), and `files` beside them. The folder appears whole or not at all; a model that
 * was there is replaced.
 *
 * @throws {RunError} when the folder cannot be written
 *
 * @example await saveModel(model, 'runs/moby-dick/model', { 'vocabulary.json': vocabulary });
 */
export async function saveModel(model: tf.LayersModel, folder: string, files: ExtraFiles = {}): Promise<void> {
  const artifacts = await artifactsOf(model);
  const temporary = join(dirname(folder), `.${basename(folder)}-${randomUUID()}.tmp`);
  try {
    await mkdir(temporary, { recursive: true });
    for (const [name, content] of Object.entries(modelFiles(artifacts)))
      await writeFile(join(temporary, name), content);
    for (const [name, content] of Object.entries(files))
      await writeFile(join(temporary, plainName(name)), bytesOf(content));
    await replaceFolder(temporary, folder);
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {}); // the first error is the one to report
    if (cause instanceof RunError) throw cause;
    throw new RunError(`${folder}: cannot save the model: ${messageOf(cause)}.`, { folder }, { cause });
  }
}

async function artifactsOf(model: tf.LayersModel): Promise<tf.io.ModelArtifacts> {
  let saved: tf.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler(async (artifacts) => {
      saved = artifacts;
      return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
    }),
  );
  return saved!; // `save` has called the handler
}

function modelFiles({
  weightData,
  weightSpecs,
  ...artifacts
}: tf.io.ModelArtifacts): Record<string, string | Uint8Array> {
  const manifest: tf.io.WeightsManifestConfig = [{ paths: ['weights.bin'], weights: weightSpecs ?? [] }];
  return {
    'model.json': `${JSON.stringify({ ...artifacts, weightsManifest: manifest })}\n`,
    'weights.bin': new Uint8Array(tf.io.CompositeArrayBuffer.join(weightData)),
  };
}

function plainName(name: string): string {
  if (basename(name) === name && name !== '' && name !== '.' && name !== '..' && !ownFiles.has(name)) return name;
  throw new RunError(
    `saveModel(): expected a plain file name other than ${[...ownFiles].join(', ')}, got \`${name}\`. Rename the file.`,
    { name },
  );
}

const bytesOf = (content: unknown): string | Uint8Array =>
  typeof content === 'string' || content instanceof Uint8Array ? content : `${JSON.stringify(content, undefined, 2)}\n`;

/**
 * Loads a model that was saved in the tfjs layers format.
 *
 * @param folder the one that holds `model.json`
 * @returns owned by the caller: `dispose()` it
 * @throws {ModelError} when a file is missing, cut short, or not a layers model
 *
 * @example const model = await loadModel('runs/moby-dick/model');
 */
export async function loadModel(folder: string): Promise<tf.LayersModel> {
  const path = join(folder, 'model.json');
  const fail = (what: string, cause?: unknown) =>
    new ModelError(`${path}: ${what}. Name the folder of a model in tfjs layers format.`, { file: path }, { cause });
  const json = parseModel(await read(path), fail);
  const { weightsManifest, ...artifacts } = json;
  const groups = weightsManifest.flatMap((group) => group.paths);
  const weightData = Buffer.concat(await Promise.all(groups.map((name) => read(join(folder, name)))));
  const weightSpecs = weightsManifest.flatMap((group) => group.weights);
  const expected = weightSpecs.reduce((sum, spec) => sum + specBytes(spec), 0);
  if (expected !== weightData.length)
    throw fail(
      `expected ${expected} bytes of weights in ${groups.join(', ')}, got ${weightData.length}: cut short or of another model`,
    );
  try {
    return await tf.loadLayersModel(
      tf.io.fromMemory({ ...artifacts, weightSpecs, weightData: new Uint8Array(weightData).buffer }),
    );
  } catch (cause) {
    throw fail(`cannot make a model of it: ${messageOf(cause)}`, cause);
  }
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    const what = isMissing(cause) ? 'is missing' : `cannot be read: ${messageOf(cause)}`;
    throw new ModelError(
      `${path}: ${what}. Name the folder of a model in tfjs layers format.`,
      { file: path },
      { cause },
    );
  }
}

type ModelJson = tf.io.ModelArtifacts & { weightsManifest: tf.io.WeightsManifestConfig };

function parseModel(bytes: Buffer, fail: (what: string, cause?: unknown) => ModelError): ModelJson {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw fail('expected JSON', cause);
  }
  if (!isModelJson(json)) throw fail('expected `modelTopology` and `weightsManifest`');
  if (json.format && json.format !== 'layers-model') throw fail(`expected a layers-model, got a ${json.format}`);
  return json;
}

const isModelJson = (json: unknown): json is ModelJson =>
  typeof json === 'object' &&
  json !== null &&
  'modelTopology' in json &&
  'weightsManifest' in json &&
  Array.isArray(json.weightsManifest);

/** Quantised weights take the bytes of their quantised type. */
function specBytes({ shape, dtype, quantization }: tf.io.WeightsManifestEntry): number {
  const widths: Readonly<Record<string, number>> = {
    float32: 4,
    int32: 4,
    complex64: 8,
    bool: 1,
    uint8: 1,
    uint16: 2,
    float16: 2,
  };
  return shape.reduce((product, axis) => product * axis, 1) * (widths[quantization?.dtype ?? dtype] ?? 4);
}
