import * as tf from '@tensorflow/tfjs';
import { ModelError } from '../../errors.ts';

/** A model in two, which share their layers with the whole. */
export interface CutModel {
  /** From the model's input to the cut. Never disposed: the whole owns its layers. */
  readonly trunk: tf.LayersModel;
  /** From the cut to the model's outputs. Dispose it: the layers stay the whole's. */
  readonly tail: tf.LayersModel;
}

/**
 * Cuts a model behind a layer, so that everything behind it can be trained on what comes out of everything before.
 *
 * @param layer its name
 * @throws {ModelError} when there is no such layer, or when something bypasses it
 * @example
 * const { trunk, tail } = cutModel(model, model.layers[0].name);
 */
export function cutModel(model: tf.LayersModel, layer: string): CutModel {
  const cut = outputOf(model, layer);
  const input = tf.input({ shape: cut.shape.slice(1), dtype: cut.dtype, name: `after_${layer}_${(copies += 1)}` });
  const outputs = rebuild(model, new Map([[cut.id, input]]), layer);
  return {
    trunk: tf.model({ inputs: model.inputs, outputs: cut, name: `${model.name}_trunk` }),
    tail: tf.model({ inputs: input, outputs, name: `${model.name}_tail` }),
  };
}

/** A model of the same layers, to be compiled in a way of its own. Dispose it: the layers stay the first one's. */
export function again(model: tf.LayersModel): tf.LayersModel {
  const [first] = model.inputs;
  const input = tf.input({ shape: first!.shape.slice(1), dtype: first!.dtype, name: `again_${(copies += 1)}` });
  return tf.model({ inputs: input, outputs: applyTo(model, input), name: model.name });
}

/** Inputs need names of their own within a process. */
let copies = 0;

/**
 * Lays a model's layers onto another input.
 *
 * @param input takes the place of the model's only one, and may itself come out of layers
 * @returns the outputs, one for each of the model's
 */
export function applyTo(model: tf.LayersModel, input: tf.SymbolicTensor): tf.SymbolicTensor[] {
  if (model.inputs.length !== 1)
    throw new ModelError(
      `Model \`${model.name}\`: expected one input, got ${model.inputs.length}. Use a model that takes one image.`,
    );
  return rebuild(model, new Map([[model.inputs[0]!.id, input]]));
}

/** Every tensor of a model's graph, from the outputs back to the inputs. */
export function* tensorsOf(model: tf.LayersModel): Generator<tf.SymbolicTensor> {
  const open = [...model.outputs];
  const seen = new Set<number>();
  for (let tensor = open.pop(); tensor; tensor = open.pop()) {
    if (seen.has(tensor.id)) continue;
    seen.add(tensor.id);
    yield tensor;
    open.push(...tensor.inputs);
  }
}

/**
 * The output of a layer within a model.
 * @throws {ModelError} when there is no such layer, or when it has several outputs
 */
export function outputOf(model: tf.LayersModel, layer: string): tf.SymbolicTensor {
  const found = [...tensorsOf(model)].filter((tensor) => tensor.sourceLayer.name === layer);
  if (found.length === 1) return found[0]!;
  const names = model.layers.map(({ name }) => name);
  throw new ModelError(
    `Model \`${model.name}\`: expected a layer \`${layer}\` with one output, got ${found.length} outputs. ` +
      `Choose one of its layers: ${names.slice(-12).join(', ')}${names.length > 12 ? ' (the last 12)' : ''}.`,
    { layer, layers: names },
  );
}

function rebuild(model: tf.LayersModel, known: Map<number, tf.SymbolicTensor>, cut?: string): tf.SymbolicTensor[] {
  const of = (tensor: tf.SymbolicTensor): tf.SymbolicTensor => {
    const made = known.get(tensor.id);
    if (made) return made;
    if (tensor.inputs.length === 0)
      throw new ModelError(
        `Model \`${model.name}\`: expected every way from its input to pass through layer \`${cut ?? tensor.name}\`, ` +
          `got one that bypasses it. Cut at a layer that ends a block.`,
        { layer: cut },
      );
    const inputs = tensor.inputs.map(of);
    const applied = tensor.sourceLayer.apply(inputs.length === 1 ? inputs[0]! : inputs, tensor.callArgs);
    const output = [applied].flat()[tensor.outputTensorIndex ?? 0] as tf.SymbolicTensor; // symbolic in, symbolic out
    known.set(tensor.id, output);
    return output;
  };
  return model.outputs.map(of);
}
