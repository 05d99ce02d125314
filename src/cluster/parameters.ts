import { createHash } from 'node:crypto';
import * as tf from '@tensorflow/tfjs';
import { jetstream, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { ClusterError } from '../errors.ts';
import { chunksOf } from './chunks.ts';
import type { Connection } from './connect.ts';
import { Manifest, pack, protocolVersion, unpack, type Subjects } from './protocol.ts';

type Weight = Manifest['weights'][number];
const arrays = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;

/** The parameters of a moment, as bytes. */
export interface TakenParameters {
  readonly weights: readonly Weight[];
  readonly bytes: Uint8Array;
}

/** Takes the weights as they are now: the copies are made before this returns, the reading comes later. */
export async function takeParameters(model: tf.LayersModel): Promise<TakenParameters> {
  const taken = model.weights.map((weight) => tf.keep(weight.read().clone()));
  try {
    const data = await Promise.all(taken.map((tensor) => tensor.data()));
    const weights = taken.map(({ shape, dtype }, i): Weight => {
      const { originalName: name } = model.weights[i]!;
      return { name, shape, dtype: dtype as Weight['dtype'], bytes: data[i]!.byteLength }; // no layer has others
    });
    const views = data.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength));
    return { weights, bytes: Buffer.concat(views) };
  } finally {
    tf.dispose(taken);
  }
}

/** Publications that stay on the server: the newest, and one that somebody may be reading. */
const kept = 2;

/** Publishes parameters: chunks first, then the manifest that names them; what is older than the last two goes. */
export async function publishParameters(
  { nats, chunkBytes }: Connection,
  subjects: Subjects,
  { weights, bytes }: TakenParameters,
  { incarnation, number, version }: Pick<Manifest, 'incarnation' | 'number' | 'version'>,
): Promise<void> {
  const js = jetstream(nats);
  const chunks = chunksOf(bytes, chunkBytes);
  for (const [i, chunk] of chunks.entries())
    await js.publish(`${subjects.parameters}.${number}.${i}`, chunk, { timeout: 20_000 });
  const manifest: Manifest = {
    protocol: protocolVersion,
    incarnation,
    number,
    version,
    weights: [...weights],
    chunks: chunks.length,
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
  await js.publish(subjects.manifest, pack(manifest), { timeout: 20_000 });
  if (number <= kept) return;
  const jsm = await jetstreamManager(nats, { checkAPI: false });
  await jsm.streams.purge(subjects.parametersStream, { filter: `${subjects.parameters}.${number - kept}.>` });
}

/** Parameters that were read from the server. */
export interface FetchedParameters {
  readonly manifest: Manifest;
  readonly bytes: Uint8Array;
}

/** Times that a version is read again which was published over meanwhile. */
const attempts = 5;

/**
 * Reads the newest parameters.
 * @throws {ClusterError} when there are none, or they are damaged
 */
export async function fetchParameters(connection: Connection, subjects: Subjects): Promise<FetchedParameters> {
  const jsm = await jetstreamManager(connection.nats, { checkAPI: false });
  let last: unknown;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const manifest = unpack('Parameters', Manifest, await message(jsm, subjects, subjects.manifest));
    try {
      const bytes = await wholeOf(jsm, subjects, manifest);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      if (sha256 === manifest.sha256 && bytes.length === manifest.bytes) return { manifest, bytes };
      last = new ClusterError(
        `Parameters ${manifest.version}: expected sha256 ${manifest.sha256}, got ${sha256}. The server's store is damaged, or two trainers share the run's name.`,
      );
    } catch (error) {
      last = error; // its chunks were swept away meanwhile: the manifest names newer ones now
    }
  }
  throw last;
}

async function wholeOf(jsm: JetStreamManager, subjects: Subjects, { number, chunks }: Manifest): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for (let i = 0; i < chunks; i++) all.push(await message(jsm, subjects, `${subjects.parameters}.${number}.${i}`));
  return chunks === 1 ? all[0]! : Buffer.concat(all);
}

async function message(jsm: JetStreamManager, subjects: Subjects, subject: string): Promise<Uint8Array> {
  const found = await jsm.direct.getMessage(subjects.parametersStream, { last_by_subj: subject });
  if (found) return found.data;
  throw new ClusterError(`Parameters: expected \`${subject}\` on the server, found none. Is a trainer at work?`, {
    subject,
  });
}

/** Puts parameters into a model. @throws {ClusterError} when they are another model's */
export function setParameters(model: tf.LayersModel, { manifest, bytes }: FetchedParameters): void {
  const { weights } = manifest;
  const differ =
    weights.length !== model.weights.length ||
    weights.some(({ shape }, i) => shape.join() !== model.weights[i]!.shape.join());
  if (differ)
    throw new ClusterError(
      `Parameters ${manifest.version}: expected those of model \`${model.name}\`, got another model's. Run the same pipeline everywhere.`,
    );
  let at = 0;
  tf.tidy(() => {
    for (const [i, { shape, dtype, bytes: size }] of weights.entries()) {
      const copy = Uint8Array.from(bytes.subarray(at, at + size)); // aligned as typed arrays must be
      at += size;
      const values = new arrays[dtype](copy.buffer);
      model.weights[i]!.write(tf.tensor(values, [...shape], dtype));
    }
  });
}
