import type * as tf from '@tensorflow/tfjs';
import { ModelError } from '../../errors.ts';
import { again, cutModel } from '../../model/pretrained/cut-model.ts';
import { findImageDetails } from '../../model/pretrained/image-details.ts';
import type { Round } from './fine-tuning-options.ts';

/** The part of a network that a round trains. */
export interface OpenRound {
  /** What is frozen; none where all is trained. Borrowed. */
  readonly trunk: tf.LayersModel | undefined;
  /** What is trained, from the trunk's output on. Dispose it: its layers stay the model's. */
  readonly tail: tf.LayersModel;
  /** What a weight's learning rate is multiplied with, by the weight's name. */
  rateOf(this: void, weight: string): number;
}

/**
 * Opens a model at the depth of a round.
 * @throws {ModelError} when the model has no such layer or not as many blocks
 */
export function openRound(model: tf.LayersModel, round: Pick<Round, 'train' | 'trunkRate' | 'depthDecay'>): OpenRound {
  const cut = cutOf(model, round);
  const rateOf = ratesOf(model, round);
  if (cut === undefined) return { trunk: undefined, tail: again(model), rateOf };
  return { ...cutModel(model, cut), rateOf };
}

/** The layer behind which everything is trained; none for all. */
function cutOf(model: tf.LayersModel, { train }: Pick<Round, 'train'>): string | undefined {
  if (train === 'all') return undefined;
  if (typeof train === 'object') return train.after;
  if (train === 'head') return beforeHead(model);
  const blocks = findImageDetails(model)?.blocks ?? [];
  if (train < blocks.length) return blocks[blocks.length - 1 - train];
  throw new ModelError(
    `Model \`${model.name}\`: expected fewer than ${blocks.length} blocks to train beside the head (\`train\`), got ${train}. ` +
      (blocks.length === 0 ? "Name a layer with `{ after }`, or train 'all'." : "Train fewer, or 'all'."),
    { train, blocks },
  );
}

/** What the last layer with weights stands on, dropout left aside. */
function beforeHead(model: tf.LayersModel): string {
  const features = findImageDetails(model)?.features;
  if (features !== undefined && model.layers.some(({ name }) => name === features)) return features;
  let [tensor] = model.outputs;
  while (tensor && tensor.sourceLayer.weights.length === 0) [tensor] = tensor.inputs;
  let before = tensor?.inputs[0];
  while (before?.sourceLayer.getClassName() === 'Dropout') [before] = before.inputs;
  if (before && before.inputs.length > 0) return before.sourceLayer.name;
  throw new ModelError(
    `Model \`${model.name}\`: expected layers before its last one with weights, got none. Train 'all'.`,
    { model: model.name },
  );
}

/** Blocks are counted from the head: `trunkRate · depthDecay^k` for the k-th block before it, from 0. */
function ratesOf(
  model: tf.LayersModel,
  { trunkRate, depthDecay }: Pick<Round, 'trunkRate' | 'depthDecay'>,
): (weight: string) => number {
  if (trunkRate === 1 && depthDecay === 1) return () => 1;
  const depths = blockDepths(model);
  return (weight) => {
    const depth = depths.get(weight.slice(0, weight.lastIndexOf('/')));
    return depth === undefined ? 1 : trunkRate * depthDecay ** depth;
  };
}

/** How many blocks lie between each layer below the head and the head, by the layer's name. */
function blockDepths(model: tf.LayersModel): Map<string, number> {
  const { blocks = [] } = findImageDetails(model) ?? {};
  const ends = new Set(blocks.length > 0 ? blocks : [beforeHead(model)]);
  const depths = new Map<string, number>();
  let depth = -1;
  let isBelow = false;
  // From the output back to the input: layers lie in an order in which each comes behind those that it stands on.
  for (const { name } of inOrder(model).toReversed()) {
    if (ends.has(name)) {
      depth += 1;
      isBelow = true;
    }
    if (isBelow) depths.set(name, depth);
  }
  return depths;
}

/** A model's layers, each behind those that it stands on. */
function inOrder(model: tf.LayersModel): readonly tf.layers.Layer[] {
  const placed = new Set<tf.layers.Layer>();
  const place = (tensor: tf.SymbolicTensor): void => {
    if (placed.has(tensor.sourceLayer)) return;
    for (const input of tensor.inputs) place(input);
    placed.add(tensor.sourceLayer);
  };
  for (const output of model.outputs) place(output);
  return [...placed];
}
