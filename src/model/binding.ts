import * as tf from '@tensorflow/tfjs';
import { LabelError, ShapeError } from '../errors.ts';
import type { Column, Schema } from '../stream/columns.ts';
import type { Head } from './head.ts';

/** Which columns feed a model: its inputs, its targets, and the weight of each time step. */
export interface Binding {
  readonly inputs: readonly string[];
  readonly targets: readonly string[];
  readonly mask?: string;
}

/** Anything that holds columns: a presample or a minibatch. */
export interface ColumnSource {
  readonly ids: readonly string[];
  tensor(name: string): tf.Tensor;
}

/** What a step computes on. */
export interface Feed {
  readonly inputs: readonly tf.Tensor[];
  readonly targets: readonly tf.Tensor[];
  readonly mask?: tf.Tensor;
}

/**
 * Finds the columns of a corpus that a model takes. A model with one input takes `x`, with one output `y`; one with
 * several takes the columns named as its inputs and outputs. A column `mask` weighs the positions of a sequence.
 *
 * @throws {ShapeError} when a column is missing, or its shape does not fit the model's input
 */
export function bindColumns(model: tf.LayersModel, schema: Schema): Binding {
  const inputs = model.inputNames.length === 1 ? ['x'] : model.inputNames;
  const targets = model.outputNames.length === 1 ? ['y'] : model.outputNames;
  for (const name of [...inputs, ...targets])
    if (!schema[name])
      throw new ShapeError(
        `Model \`${model.name}\`: expected a column \`${name}\`, got the columns \`${Object.keys(schema).join('`, `')}\`. ` +
          'Name the columns `x` and `y`, or as the inputs and outputs of the model.',
        { column: name },
      );
  inputs.forEach((name, i) => checkInput(model, name, schema[name]!.shape, model.inputs[i]!.shape.slice(1)));
  return { inputs, targets, ...('mask' in schema ? { mask: 'mask' } : {}) };
}

function checkInput(model: tf.LayersModel, column: string, got: readonly number[], wanted: readonly (number | null)[]) {
  const fits = got.length === wanted.length && wanted.every((axis, i) => axis === null || axis === got[i]);
  if (!fits)
    throw new ShapeError(
      `Model \`${model.name}\`: expected samples of shape [${wanted.map((axis) => axis ?? 'any').join(', ')}], got column \`${column}\` of [${got.join(', ')}]. ` +
        'Build the model for the shape of the corpus.',
      { column, expected: wanted, got },
    );
}

/** The tensors of a batch, cast to what the model's inputs take. @returns borrowed from the source, but for casts */
export const feedOf = (model: tf.LayersModel, binding: Binding, source: ColumnSource): Feed => ({
  inputs: binding.inputs.map((name, i) => {
    const value = source.tensor(name);
    const { dtype } = model.inputs[i]!;
    return value.dtype === dtype ? value : tf.cast(value, dtype);
  }),
  targets: binding.targets.map((name) => source.tensor(name)),
  ...(binding.mask === undefined ? {} : { mask: source.tensor(binding.mask) }),
});

/**
 * Refuses class numbers that the model has no class for: tfjs would train on a row of zeros without a word.
 *
 * @throws {LabelError} naming the sample, its label and the number of classes
 */
export function checkLabels(
  head: Head,
  binding: Binding,
  batch: { readonly ids: readonly string[]; column(name: string): Column },
): void {
  head.losses.forEach((loss, i) => {
    const classes = head.model.outputs[i]!.shape.at(-1);
    if (!loss.sparse || typeof classes !== 'number') return;
    const name = binding.targets[i]!;
    const { data } = batch.column(name);
    const wrong = data.findIndex((label) => !(label >= 0 && label < classes));
    if (wrong === -1) return;
    const id = batch.ids[Math.floor((wrong * batch.ids.length) / data.length)]!;
    throw new LabelError(
      `Sample ${id}: expected a label in \`${name}\` of 0 to ${classes - 1}, got ${data[wrong]}. ` +
        'Correct the corpus, or give the model as many classes as it has.',
      { id, column: name, label: data[wrong], classes },
    );
  });
}
