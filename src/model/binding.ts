import * as tf from '@tensorflow/tfjs';
import { LabelError, ShapeError } from '../errors.ts';
import type { Column, ColumnSpec, Schema } from '../stream/columns.ts';
import { bufferSchema, hasSteps, realSteps, shapeText } from '../stream/steps.ts';
import type { Head } from './head.ts';
import { checkMasking } from './masking.ts';

/** Which columns feed a model: its inputs, its targets, the weight of each time step, and which steps are real. */
export interface Binding {
  readonly inputs: readonly string[];
  readonly targets: readonly string[];
  readonly mask?: string;
  /** 1 in real steps and 0 in padded ones, for the layers; where lengths vary. */
  readonly steps?: string;
}

/** Anything that holds columns: a presample or a minibatch. */
export interface ColumnSource {
  readonly ids: readonly string[];
  tensor(name: string): tf.Tensor;
}

/** What a step computes on. */
export interface Feed {
  /** As the head takes them: the model's inputs, and behind them the real steps where lengths vary. */
  readonly inputs: readonly tf.Tensor[];
  readonly targets: readonly tf.Tensor[];
  readonly mask?: tf.Tensor;
}

/**
 * Finds the columns of a corpus that a model takes. A model with one input takes `x`, with one output `y`; one with
 * several takes the columns named as its inputs and outputs. A column `mask` weighs the positions of a sequence; where
 * lengths vary there always is one, and the model's layers pass over padded steps.
 *
 * @throws {ShapeError} when a column is missing, or its shape does not fit the model's input
 * @throws {ModelError} when lengths vary, and a layer would mix padded steps into real ones
 */
export function bindColumns(model: tf.LayersModel, corpusSchema: Schema): Binding {
  const schema = bufferSchema(corpusSchema);
  const inputs = model.inputNames.length === 1 ? ['x'] : model.inputNames;
  const targets = model.outputNames.length === 1 ? ['y'] : model.outputNames;
  for (const name of [...inputs, ...targets])
    if (!schema[name])
      throw new ShapeError(
        `Model \`${model.name}\`: expected a column \`${name}\`, got the columns \`${Object.keys(schema).join('`, `')}\`. ` +
          'Name the columns `x` and `y`, or as the inputs and outputs of the model.',
        { column: name },
      );
  inputs.forEach((name, i) => checkInput(model, name, schema[name]!, model.inputs[i]!.shape.slice(1)));
  const stepped = inputs.map((name) => hasSteps(schema[name]!));
  if (stepped.includes(true) && !inputs.includes(realSteps(corpusSchema))) checkMasking(model, stepped);
  return {
    inputs,
    targets,
    ...('mask' in schema ? { mask: 'mask' } : {}),
    ...(stepped.includes(true) ? { steps: realSteps(corpusSchema) } : {}),
  };
}

function checkInput(model: tf.LayersModel, column: string, spec: ColumnSpec, wanted: readonly (number | null)[]) {
  const got = spec.shape;
  const fits = got.length === wanted.length && wanted.every((axis, i) => axis === null || axis === got[i]);
  if (fits) return;
  const hint = hasSteps(spec)
    ? 'and leave its time axis open: `inputShape: [null, ...]`'
    : 'for the shape of the corpus';
  throw new ShapeError(
    `Model \`${model.name}\`: expected samples of shape [${wanted.map((axis) => axis ?? 'any').join(', ')}], got column \`${column}\` of [${shapeText(spec)}]. ` +
      `Build the model ${hint}.`,
    { column, expected: wanted, got },
  );
}

/** The tensors of a batch, cast to what the model's inputs take. @returns borrowed from the source, but for casts */
export const feedOf = (model: tf.LayersModel, binding: Binding, source: ColumnSource): Feed => ({
  inputs: [
    ...binding.inputs.map((name, i) => {
      const value = source.tensor(name);
      const { dtype } = model.inputs[i]!;
      return value.dtype === dtype ? value : tf.cast(value, dtype);
    }),
    ...(binding.steps === undefined ? [] : [source.tensor(binding.steps)]),
  ],
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
