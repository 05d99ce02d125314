import * as tf from '@tensorflow/tfjs';
import { CorpusError } from '../errors.ts';
import { crc32Of } from '../corpus/crc32.ts';
import type { ColumnSpec, Schema } from '../stream/columns.ts';
import type { Corpus } from '../stream/sample.ts';

/** What `model.fitDataset` takes an element for: one tensor, or several by name. */
type Value = tf.Tensor | Readonly<Record<string, tf.Tensor>>;
type Element = { readonly xs: Value; readonly ys: Value };

/**
 * Reads a `tf.data.Dataset` as a corpus. Its elements are those of `model.fitDataset`, `{ xs, ys }`, batched or not:
 * batches are taken apart again, because a minibatch is drawn from single samples. The order is the dataset's own, and
 * `seed` and `shuffle` do nothing: shuffle the dataset itself. A sample's id is its place in the dataset, if an epoch gives
 * the first ones as the epoch before did; one that shuffles anew has ids that never come again, for nothing can be
 * remembered of its samples.
 *
 * @throws {CorpusError} when the dataset is empty or its elements are not `{ xs, ys }` of tensors
 * @example const corpus = await datasetCorpus(tf.data.zip({ xs, ys }).batch(32), model);
 */
export async function datasetCorpus(
  dataset: tf.data.Dataset<tf.TensorContainer>,
  model: tf.LayersModel,
): Promise<Corpus> {
  const first = await (await dataset.iterator()).next();
  if (first.done)
    throw new CorpusError('Dataset: expected elements `{ xs, ys }`, got none. Give a dataset that is not empty.');
  const columns = columnsOf(first.value, model);
  const batched = isBatched(columns, model);
  const schema: Schema = Object.fromEntries(
    Object.entries(columns).map(([name, value]) => [name, specOf(value, batched)]),
  );
  tf.dispose(first.value);
  let length: number | undefined;
  /** Sums of the first samples of the first epoch; undefined before its end. */
  let known: readonly number[] | undefined;

  return {
    name: 'dataset',
    schema,
    get length() {
      return length;
    },
    async *samples({ epochs = Infinity, signal }) {
      for (let epoch = 0; epoch < epochs; epoch++) {
        let index = 0;
        const sums: number[] = [];
        const idOf = (place: number) => (isNew(known, sums) ? `dataset:${epoch}:${place}` : `dataset:${place}`);
        const iterator = await dataset.iterator();
        for (;;) {
          signal?.throwIfAborted();
          const next = await iterator.next();
          if (next.done) break;
          const rows = await rowsOf(columnsOf(next.value, model), schema, batched);
          tf.dispose(next.value);
          for (const row of rows.slice(0, compared - sums.length)) sums.push(sumOf(row));
          for (const row of rows) yield { id: idOf(index++), ...row };
        }
        length = index;
        known ??= sums;
        if (index === 0)
          throw new CorpusError(
            'Dataset: expected elements in every epoch, got none. Let its generator start anew each time.',
          );
      }
    },
  };
}

/** Samples at the beginning of an epoch that tell whether it is as the one before. */
const compared = 32;

/** Whether what has come of an epoch is not what came in the first. */
const isNew = (known: readonly number[] | undefined, sums: readonly number[]): boolean =>
  known !== undefined && sums.some((sum, i) => sum !== known[i]);

/** A sum over all of a sample's bytes. */
const sumOf = (row: Row): number =>
  Object.values(row).reduce(
    (sum, { buffer, byteOffset, byteLength }) =>
      (31 * sum + crc32Of(new Uint8Array(buffer, byteOffset, byteLength))) >>> 0,
    0,
  );

/** An element's tensors, by the names of the columns that the model takes. */
function columnsOf(element: unknown, model: tf.LayersModel): Record<string, tf.Tensor> {
  const { xs, ys } = (element ?? {}) as Partial<Element>;
  if (xs === undefined || ys === undefined)
    throw new CorpusError(
      'Dataset: expected elements `{ xs, ys }`, got others. Map the dataset to `{ xs, ys }`, as for model.fitDataset.',
    );
  return Object.fromEntries([...named(xs, 'x', model.inputNames), ...named(ys, 'y', model.outputNames)]);
}

/** One tensor under the name that a single column has, or several under their own. */
const named = (value: Value, single: string, names: readonly string[]): [string, tf.Tensor][] => {
  const only = names.length === 1 ? single : undefined;
  if (value instanceof tf.Tensor) return [[only ?? names[0]!, value]];
  return Object.entries(value).map(([name, tensor]) => [only ?? name, tensor]);
};

/** Elements are batches when they have as many axes as the model's input, the batch's among them. */
const isBatched = (columns: Record<string, tf.Tensor>, model: tf.LayersModel): boolean =>
  columns[model.inputNames.length === 1 ? 'x' : model.inputNames[0]!]?.rank === model.inputs[0]!.shape.length;

const specOf = (value: tf.Tensor, batched: boolean): ColumnSpec => ({
  type: value.dtype === 'float32' ? 'float32' : 'int32',
  shape: batched ? value.shape.slice(1) : value.shape,
});

type Row = Readonly<Record<string, Float32Array | Int32Array>>;

/** Takes an element apart into samples. */
async function rowsOf(columns: Record<string, tf.Tensor>, schema: Schema, batched: boolean): Promise<Row[]> {
  const data = await Promise.all(
    Object.keys(schema).map(async (name) => [name, await columns[name]!.data<'float32' | 'int32'>()] as const),
  );
  const rows = batched ? Object.values(columns)[0]!.shape[0] : 1;
  return Array.from({ length: rows }, (_, row) =>
    Object.fromEntries(
      data.map(([name, values]) => {
        const size = values.length / rows;
        return [name, values.slice(row * size, (row + 1) * size)];
      }),
    ),
  );
}
