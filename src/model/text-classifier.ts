/**
 * A text classifier: each byte, character or word gets a vector that is learned, an LSTM reads them to the end.
 *
 * Legend: B samples, T tokens, V tokens known, E width of the embedding, U units, C classes.
 */
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { parseOptions } from '../options.ts';
import { deriveSeed } from '../stream/random.ts';
import { lastState, recurrentFields } from './sequence-classifier.ts';
import { applied, built, classifier, networkFields, size } from './seeded-layers.ts';

export const TextClassifierOptions = z.strictObject({
  ...networkFields,
  ...recurrentFields,
  classes: networkFields.classes.unwrap(),
  /** Tokens known, V: a tokenizer's `size`. */
  vocabularySize: size.max(2 ** 24),
  /** Width of the embedding, E. @default 64 – guess */
  embedding: size.default(64),
  /** Tokens in a text, T; any number if absent. */
  textLength: size.optional(),
  /** Whether token 0 fills up texts that are shorter than their batch, and is not seen. @default true */
  padded: z.boolean().default(true),
});
type Options = z.output<typeof TextClassifierOptions>;

/**
 * Builds a text classifier, int32 [B, T] -> [B, C]: what an LSTM makes of the tokens, of whatever kind the corpus'
 * tokenizer gives. V E parameters for the embedding, 4 U (E + U + 1) for the first LSTM layer, C (U + 1) for the classes.
 *
 * @returns owned by the caller: `dispose()` it
 * @throws {OptionsError} when an option is unknown or out of range
 *
 * @example const model = textClassifier({ vocabularySize: 257, classes: 2, seed: 7 }); // bytes
 */
export function textClassifier(options: z.input<typeof TextClassifierOptions>): tf.LayersModel {
  const o = parseOptions('textClassifier()', TextClassifierOptions, options);
  return built(() => build(o));
}

function build(o: Options): tf.LayersModel {
  const tokens = tf.input({ shape: [o.textLength ?? null], dtype: 'int32', name: 'tokens' }); // [B, T]
  const embedding = tf.layers.embedding({
    name: 'embedding',
    inputDim: o.vocabularySize,
    outputDim: o.embedding,
    maskZero: o.padded,
    embeddingsInitializer: tf.initializers.randomUniform({
      minval: -0.05,
      maxval: 0.05,
      seed: deriveSeed(o.seed, 'embedding') | 0,
    }),
  });
  const state = lastState(applied(embedding, tokens), o); // [B, T] -> [B, T, E] -> [B, U]
  return tf.model({ inputs: tokens, outputs: applied(classifier('classes', o), state), name: 'text_classifier' });
}
