import { createHash } from 'node:crypto';
import type * as tf from '@tensorflow/tfjs';
import { ClusterError } from '../errors.ts';
import type { PipelineCorpus } from '../pipeline.ts';
import type { Corpus, SampleOptions } from '../stream/sample.ts';
import type { Fingerprint } from './protocol.ts';

/**
 * Names the order of a corpus whose every place can be opened at once.
 * @throws {ClusterError} when the corpus cannot be opened at a place, so that nobody else could make the same samples
 */
export function orderOf(corpus: Corpus, { seed }: Pick<SampleOptions, 'seed'>): string {
  const position = corpus.samples({ seed, epochs: 1 }).position?.(0);
  if (position?.['kind'] === 'place' && typeof position['order'] === 'string') return position['order'];
  throw new ClusterError(
    `Corpus \`${corpus.name}\`: expected one that can be opened at any place, so that it can be divided among machines, got one that cannot. ` +
      'Use a corpus of shards, records or text, not a mixture or a stream of your own.',
    { corpus: corpus.name },
  );
}

/** What trainer and worker must have in common, each under the name by which a difference is reported. */
export function fingerprintOf(run: string, data: PipelineCorpus, model: tf.LayersModel, order: string): Fingerprint {
  const { train, files } = data;
  return {
    'name of the run': run,
    'corpus, seed and order': order,
    'columns of the corpus': digest(train.schema),
    'samples of the corpus': String(train.length),
    'files of the pipeline (a vocabulary, say)': digest(files ?? null),
    'layers of the model': digest(layersOf(model)),
    'weights of the model': model.weights.map(({ shape }) => `[${shape.join(',')}]`).join(''),
  };
}

/** Which parts of two fingerprints differ. */
export const differences = (own: Fingerprint, other: Fingerprint): string[] =>
  [...new Set([...Object.keys(own), ...Object.keys(other)])].filter((key) => own[key] !== other[key]);

const digest = (value: unknown): string =>
  createHash('sha256')
    .update(
      JSON.stringify(value, (_, part: unknown) =>
        ArrayBuffer.isView(part) ? Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString('base64') : part,
      ),
    )
    .digest('hex')
    .slice(0, 16);

/** The model's topology without the numbers that tfjs gives to layers over the life of a process. */
function layersOf(model: tf.LayersModel): string {
  const names = new Map<string, string>([[model.name, 'model']]);
  for (const [i, { name }] of model.layers.entries()) names.set(name, `layer ${i}`);
  const text = model.toJSON(null, true) as string; // `true` asks for a text
  return JSON.stringify(JSON.parse(text), (_, value: unknown) =>
    typeof value === 'string' ? (names.get(value) ?? value) : value,
  );
}
