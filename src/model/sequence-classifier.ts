/**
 * An LSTM that reads a series of measurements to its end and says what it is: one state for series of any length.
 * Hochreiter & Schmidhuber 1997, with the forget gate's bias at 1 (Gers et al. 2000).
 *
 * Legend: B samples, T time steps, F features a step, U units, C classes.
 */
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { parseOptions } from '../options.ts';
import { deriveSeed } from '../stream/random.ts';
import { SeededDropout } from './dropout.ts';
import { applied, built, classifier, lstmLayer, networkFields, setOrthogonal, size } from './seeded-layers.ts';

export const recurrentFields = {
  /** Width of each LSTM layer, U. @default 128 – guess */
  units: size.default(128),
  /** LSTM layers, one upon the other. @default 1 */
  layers: size.default(1),
  /** Share of each LSTM layer's outputs that a training step drops, 0 to below 1. @default 0 */
  dropout: z.number().min(0).lt(1).default(0),
};

export const SequenceClassifierOptions = z
  .strictObject({
    ...networkFields,
    ...recurrentFields,
    classes: networkFields.classes.unwrap(),
    /** Numbers in a time step, F. */
    features: size,
    /** Time steps, T; any number if absent. */
    steps: size.optional(),
    /** Steps that are read at once, as one of n F numbers: n times fewer steps. Needs `steps`, a multiple. @default 1 */
    patch: size.default(1),
    /**
     * What fills up series that are shorter than their batch: a step of nothing but this value changes no state and is
     * not seen. `none` where all have one length. @default 'none'
     */
    padding: z.union([z.number(), z.literal('none')]).default('none'),
  })
  .refine((o) => o.patch === 1 || (o.steps !== undefined && o.steps % o.patch === 0), {
    path: ['patch'],
    error: 'must divide `steps`, which must be given: so many steps are read at once',
  });
type Options = z.output<typeof SequenceClassifierOptions>;

/**
 * Builds an LSTM classifier of series, float32 [B, T, F] -> [B, C]. With `padding` it takes series of different lengths,
 * filled up at their end. One layer has 4 U (F + U + 1) parameters, the classifier C (U + 1).
 *
 * @returns owned by the caller: `dispose()` it
 * @throws {OptionsError} when an option is unknown or out of range
 *
 * @example const model = sequenceClassifier({ features: 12, classes: 9, units: 64, padding: 0, seed: 7 });
 */
export function sequenceClassifier(options: z.input<typeof SequenceClassifierOptions>): tf.LayersModel {
  const o = parseOptions('sequenceClassifier()', SequenceClassifierOptions, options);
  return built(() => build(o));
}

function build(o: Options): tf.LayersModel {
  const series = tf.input({ shape: [o.steps ?? null, o.features], name: 'series' }); // [B, T, F]
  const patched = o.patch === 1 ? series : applied(patches(o), series); // -> [B, T / n, n F]
  const x =
    o.padding === 'none' ? patched : applied(tf.layers.masking({ name: 'seen', maskValue: o.padding }), patched);
  const outputs = applied(classifier('classes', o), lastState(x, o));
  return tf.model({ inputs: series, outputs, name: 'sequence_classifier' });
}

const patches = ({ steps = 0, features, patch }: Options): tf.layers.Layer =>
  tf.layers.reshape({ name: 'patches', targetShape: [steps / patch, patch * features] });

/** What the last of several LSTM layers says at the last step that is seen, [B, T, F] -> [B, U]. */
export function lastState(
  input: tf.SymbolicTensor,
  o: { readonly units: number; readonly layers: number; readonly dropout: number; readonly seed: number },
): tf.SymbolicTensor {
  let x = input;
  for (let layer = 1; layer <= o.layers; layer++) {
    const returnSequences = layer < o.layers;
    const lstm = lstmLayer({ name: `lstm_${layer}`, units: o.units, seed: o.seed, returnSequences });
    x = applied(lstm, x);
    setOrthogonal(lstm, o.units, deriveSeed(o.seed, layer));
    const seed = deriveSeed(o.seed, 'dropout', layer);
    if (o.dropout > 0) x = applied(new SeededDropout({ name: `dropout_${layer}`, rate: o.dropout, seed }), x);
  }
  return x;
}
