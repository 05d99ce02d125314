import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type * as tf from '@tensorflow/tfjs';
import { Packr } from 'msgpackr';
import { z } from 'zod';
import { RunError, messageOf } from '../errors.ts';
import { isMissing } from '../is-missing.ts';
import { replaceFolder } from '../replace-folder.ts';
import type { Checkpoint, Snapshot } from './fit-options.ts';
import { decodeSafetensors, encodeSafetensors, type TensorData } from './safetensors.ts';

export type { Checkpoint } from './fit-options.ts';

export interface CheckpointOptions {
  /** Checkpoints kept; older ones are removed. @default 2: the last, and the one before should the last be damaged */
  readonly keep?: number;
}

/** `moreTypes` keeps typed arrays (random states, tables of scores) what they are. */
const msgpack = new Packr({ moreTypes: true, useRecords: false });
const tensorsFile = 'tensors.safetensors';
const stateFile = 'state.msgpack';
const sealFile = 'checkpoint.json';
const folderPattern = /^step-(\d{10,})$/;
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** Written last, so that a folder without it was never finished. */
const Seal = z.strictObject({
  version: z.literal(1),
  step: z.int().nonnegative(),
  files: z.strictObject({ [tensorsFile]: sha256, [stateFile]: sha256 }),
});

/**
 * Takes a checkpoint's values out of the engine. What the trainer does while this waits changes nothing in it: tfjs'
 * tensors never change, and variables are assigned new ones.
 *
 * @param snapshot its tensors are borrowed
 * @example
 * const { tensors, state } = await takeCheckpoint(snapshot);
 */
export async function takeCheckpoint(snapshot: Snapshot): Promise<Checkpoint> {
  const state = structuredClone(snapshot.state);
  const held = Object.entries(snapshot.tensors).map(([name, tensor]) => [name, tensor.clone()] as const);
  try {
    const read = held.map(async ([name, tensor]) => [name, await readTensor(name, tensor)] as const);
    return { tensors: Object.fromEntries(await Promise.all(read)), state };
  } finally {
    for (const [, tensor] of held) tensor.dispose();
  }
}

async function readTensor(name: string, tensor: tf.Tensor): Promise<TensorData> {
  if (tensor.dtype !== 'float32' && tensor.dtype !== 'int32' && tensor.dtype !== 'bool')
    throw new RunError(
      `takeCheckpoint(): expected numbers in \`${name}\`, got ${tensor.dtype}. Keep it in the state.`,
      {
        name,
      },
    );
  const data = await tensor.data<'float32' | 'int32' | 'bool'>();
  return { shape: tensor.shape, data: data.slice() };
}

/**
 * Writes a checkpoint as a folder of its own, `step-<step>`, under `folder`: tensors as safetensors, the rest as
 * msgpack, and the sha256 of both. It appears whole or not at all. Older ones beyond `keep` are removed afterwards.
 *
 * @param checkpoint its `state.step` names it (0 if there is none)
 * @returns the folder written
 * @throws {RunError} when it cannot be written
 *
 * @example await writeCheckpoint('runs/moby-dick/checkpoints', await takeCheckpoint(snapshot));
 */
export async function writeCheckpoint(
  folder: string,
  checkpoint: Checkpoint,
  options: CheckpointOptions = {},
): Promise<string> {
  const step = z.int().nonnegative().catch(0).parse(checkpoint.state['step']);
  const target = join(folder, `step-${String(step).padStart(10, '0')}`);
  const temporary = join(folder, `.${basename(target)}-${randomUUID()}.tmp`);
  try {
    await mkdir(temporary, { recursive: true });
    await writeFiles(temporary, step, checkpoint);
    await replaceFolder(temporary, target);
    await syncFolder(folder);
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {}); // the first error is the one to report
    if (cause instanceof RunError) throw cause;
    throw new RunError(`${target}: cannot write the checkpoint: ${messageOf(cause)}.`, { folder: target }, { cause });
  }
  await removeOld(folder, options.keep ?? 2, target);
  return target;
}

async function writeFiles(folder: string, step: number, { tensors, state }: Checkpoint): Promise<void> {
  const files = {
    [tensorsFile]: await writeDurably(join(folder, tensorsFile), encodeSafetensors(tensors)),
    [stateFile]: await writeDurably(join(folder, stateFile), [msgpack.pack(state)]),
  };
  const seal: z.output<typeof Seal> = { version: 1, step, files };
  await writeDurably(join(folder, sealFile), [Buffer.from(`${JSON.stringify(seal, undefined, 2)}\n`)]);
}

/** Bytes hashed at a time, so that training goes on in between: under a millisecond. */
const sliceBytes = 2 ** 20;

/** Writes and flushes to the disk. @returns the sha256 of what was written */
async function writeDurably(path: string, chunks: readonly Uint8Array[]): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'wx');
  try {
    for (const chunk of chunks)
      for (let from = 0; from < chunk.length; from += sliceBytes) {
        const slice = chunk.subarray(from, from + sliceBytes);
        hash.update(slice);
        await file.writeFile(slice); // writes all of it, from where the last write ended
      }
    await file.sync();
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

/** Makes the rename itself durable. Windows cannot open folders, and needs no such thing. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function removeOld(folder: string, keep: number, written: string): Promise<void> {
  const others = (await listCheckpoints(folder)).filter((path) => path !== written);
  const old = others.slice(Math.max(0, keep - 1));
  const leftovers = (await readdir(folder)).filter((name) => /^\.step-.*\.tmp$/.test(name));
  for (const path of [...old, ...leftovers.map((name) => join(folder, name))])
    await rm(path, { recursive: true, force: true });
}

/** The checkpoints under `folder`, newest first. A folder that does not exist holds none. */
export async function listCheckpoints(folder: string): Promise<string[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw new RunError(`${folder}: cannot read the folder: ${messageOf(error)}.`, { folder }, { cause: error });
  }
  const steps = names.filter((name) => folderPattern.test(name));
  return steps.toSorted((a, b) => stepOf(b) - stepOf(a)).map((name) => join(folder, name));
}

const stepOf = (name: string) => Number(folderPattern.exec(name)?.[1]);
/** A checkpoint that was read, and those newer than it that were damaged and passed over. */
export interface ReadCheckpoint extends Checkpoint {
  readonly folder: string;
  readonly damaged: readonly RunError[];
}

/**
 * Reads the newest whole checkpoint under `folder`. A damaged one is passed over for the one before it, and reported
 * in `damaged`.
 *
 * @throws {RunError} when there is none, or every one is damaged
 * @example
 * const resume = await readCheckpoint('runs/moby-dick/checkpoints');
 * await fit(model, corpus, { steps: 2000, seed: 7, resume });
 */
export async function readCheckpoint(folder: string): Promise<ReadCheckpoint> {
  const damaged: RunError[] = [];
  for (const path of await listCheckpoints(folder)) {
    try {
      return { ...(await readOne(path)), folder: path, damaged };
    } catch (error) {
      if (!(error instanceof RunError)) throw error;
      damaged.push(error);
    }
  }
  const [newest] = damaged;
  if (!newest)
    throw new RunError(`${folder}: expected a checkpoint (step-…), found none. Train first, or name another run.`, {
      folder,
    });
  throw new RunError(
    `${folder}: each of the ${damaged.length} checkpoints is damaged; the newest: ${newest.message} Start the run anew.`,
    { folder, damaged: damaged.map((error) => error.message) },
    { cause: newest },
  );
}

async function readOne(folder: string): Promise<Checkpoint> {
  const seal = await readSeal(join(folder, sealFile));
  if (basename(folder) !== `step-${String(seal.step).padStart(10, '0')}`)
    throw new RunError(
      `${join(folder, sealFile)}: expected the step of ${basename(folder)}, got ${seal.step}. Take another checkpoint.`,
    );
  const tensorsPath = join(folder, tensorsFile);
  const statePath = join(folder, stateFile);
  const tensors = decodeSafetensors(await readSealed(tensorsPath, seal.files[tensorsFile]), tensorsPath);
  return { tensors, state: decodeState(await readSealed(statePath, seal.files[stateFile]), statePath) };
}

function decodeState(bytes: Buffer, path: string): Record<string, unknown> {
  try {
    return z.record(z.string(), z.unknown()).parse(msgpack.unpack(bytes));
  } catch (cause) {
    throw new RunError(`${path}: expected a msgpack map. Take another checkpoint.`, { file: path }, { cause });
  }
}

async function readSeal(path: string): Promise<z.output<typeof Seal>> {
  const text = (await readBytes(path)).toString('utf8');
  try {
    return Seal.parse(JSON.parse(text));
  } catch (cause) {
    throw new RunError(
      `${path}: expected the step and the sha256 of both files (version 1), got something else: damaged, or written by another version. Take another checkpoint.`,
      { file: path },
      { cause },
    );
  }
}

async function readSealed(path: string, expected: string): Promise<Buffer> {
  const bytes = await readBytes(path);
  const found = createHash('sha256').update(bytes).digest('hex');
  if (found === expected) return bytes;
  throw new RunError(
    `${path}: expected the sha256 ${expected.slice(0, 12)}…, got ${found.slice(0, 12)}… (${bytes.length} bytes): damaged or cut short. Take another checkpoint.`,
    { file: path, expected, found },
  );
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    const what = isMissing(cause) ? 'is missing' : `cannot be read: ${messageOf(cause)}`;
    throw new RunError(`${path}: ${what}. Take another checkpoint.`, { file: path, folder: dirname(path) }, { cause });
  }
}
