import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { ModelError } from '../errors.ts';

/** A character model that is fed one character at a time. */
export interface CharacterStepper {
  /** Takes the next character. @returns probabilities of the one after it, [V], owned by the caller */
  next(id: number): Promise<Float32Array>;
  dispose(): void;
}

/**
 * Makes a copy of `model` that takes one character at a time and remembers its states. It has the weights that the
 * model had when it was made.
 *
 * @throws {ModelError} when the model is not one of characters in, probabilities out, forward in time
 */
export function characterStepper(model: tf.LayersModel): CharacterStepper {
  let copy: tf.LayersModel | undefined;
  return {
    async next(id) {
      copy ??= await statefulCopy(model);
      const output = step(copy, id);
      try {
        return toProbabilities(await output.data<'float32'>(), model.name);
      } finally {
        output.dispose();
      }
    },
    dispose: () => copy && disposeStateful(copy),
  };
}

/** Runs the copy on one character. @returns [1, 1, V], owned by the caller */
const step = (copy: tf.LayersModel, id: number): tf.Tensor =>
  tf.tidy(() => {
    const [output] = [copy.apply(tf.tensor2d([id], [1, 1], 'int32'), { training: false })].flat();
    assert(output instanceof tf.Tensor, 'a tensor went in, so a tensor comes out');
    return output;
  });

/** The output of a softmax as it is, logits through one. */
function toProbabilities(values: Float32Array, name: string): Float32Array {
  if (values.every((value) => value >= 0) && Math.abs(sum(values) - 1) < 1e-3) return values;
  const highest = values.reduce((most, value) => Math.max(most, value), -Infinity);
  if (!values.every(Number.isFinite))
    throw new ModelError(
      `writeText(): expected finite numbers from \`${name}\`, got ${values.find((value) => !Number.isFinite(value))}. Train it anew with a lower learning rate.`,
    );
  const powers = values.map((value) => Math.exp(value - highest));
  const total = sum(powers);
  return powers.map((power) => power / total);
}

const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);

/** Layers that treat each time step by itself, or carry a state forward in time: what may be fed step by step. */
const recurrent = ['LSTM', 'GRU', 'SimpleRNN', 'RNN'];
const pointwise =
  'InputLayer Embedding Dense Dropout GaussianNoise Activation TimeDistributed LayerNormalization Masking ' +
  'ReLU LeakyReLU PReLU ELU Softmax Add Multiply Concatenate';
const stepwise = new Set([...recurrent, ...pointwise.split(' ')]);

const Layer = z.looseObject({ class_name: z.string(), config: z.record(z.string(), z.unknown()) });
const Topology = z.looseObject({ config: z.looseObject({ layers: z.array(Layer) }) });

async function statefulCopy(model: tf.LayersModel): Promise<tf.LayersModel> {
  const [input] = model.inputs;
  const [output] = model.outputs;
  if (model.inputs.length !== 1 || input!.shape.length !== 2) throw unfit(model, `the input ${shapes(model.inputs)}`);
  if (model.outputs.length !== 1 || output!.shape.length !== 3)
    throw unfit(model, `the output ${shapes(model.outputs)}`);
  const topology = Topology.parse(model.toJSON(undefined, false));
  for (const layer of topology.config.layers) {
    if (!stepwise.has(layer.class_name) || layer.config['go_backwards'] === true)
      throw unfit(model, `a ${layer.class_name} layer (\`${String(layer.config['name'])}\`)`);
    makeStateful(layer);
  }
  const copy = await tf.models.modelFromJSON({ modelTopology: topology as tf.io.ModelJSON['modelTopology'] }); // JSON again, as it was
  copy.setWeights(model.getWeights());
  return copy;
}

function makeStateful({ class_name: kind, config }: z.output<typeof Layer>): void {
  if ('batch_input_shape' in config) config['batch_input_shape'] = [1, 1];
  if ('input_length' in config) config['input_length'] = null;
  if (recurrent.includes(kind)) Object.assign(config, { stateful: true, return_sequences: true });
  // Weights are set anyway; some initialisers take many seconds (orthogonal), and tfjs' forget bias leaks tensors.
  if ('unit_forget_bias' in config) config['unit_forget_bias'] = false;
  for (const key of Object.keys(config))
    if (key.endsWith('_initializer') && config[key]) config[key] = { class_name: 'Zeros', config: {} };
}

/** tfjs' `dispose` forgets the states of stateful layers. */
function disposeStateful(copy: tf.LayersModel): void {
  for (const layer of copy.layers) if (layer instanceof tf.layers.RNN) tf.dispose(layer.states);
  copy.dispose();
}

const shapes = (tensors: readonly tf.SymbolicTensor[]) =>
  tensors.map(({ shape }) => `[${shape.map((axis) => axis ?? '?').join(', ')}]`).join(', ');

const unfit = (model: tf.LayersModel, what: string) =>
  new ModelError(
    `writeText(): expected characters [B, T] in, probabilities [B, T, V] out, forward in time; \`${model.name}\` has ${what}. Write with such a model.`,
    { model: model.name },
  );
