import type * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { ModelError } from '../errors.ts';
import { parseOptions, Seed } from '../options.ts';
import { createRng, type Rng } from '../stream/random.ts';
import { characterStepper, type CharacterStepper } from './character-stepper.ts';

/** What turns text into the model's characters and back. */
export interface CharacterCodec {
  encode(text: string): ArrayLike<number>;
  decode(ids: ArrayLike<number>): string;
}

export const WriteTextOptions = z.strictObject({
  /** What the text goes on from: at least one character. It is not part of the result. */
  prompt: z.string().min(1),
  /** Characters to write. @default 400 */
  length: z.int().min(0).default(400),
  /** Above 1 bolder, below 1 safer; 0 always takes the likeliest character. @default 0.8 – guess */
  temperature: z.number().min(0).max(100).default(0.8),
  /** Base of every draw: the same model, prompt and seed write the same text. */
  seed: Seed,
});

/**
 * Writes text with a character model (`[B, T]` in, `[B, T, V]` out), one character a step: the layers' states are
 * carried on, so the cost of a character does not depend on how much stands before it.
 *
 * @returns the characters that follow the prompt
 * @throws {OptionsError} when an option is unknown or out of range
 * @throws {ModelError} when the model does not go forward in time, character by character
 *
 * @example
 * const model = charLstm({ vocabularySize: vocabulary.size, units: 16, seed: 7 });
 * await writeText(model, vocabulary, { prompt: 'Call me ', length: 200, seed: 7 });
 */
export async function writeText(
  model: tf.LayersModel,
  vocabulary: CharacterCodec,
  options: z.input<typeof WriteTextOptions>,
): Promise<string> {
  const o = parseOptions('writeText()', WriteTextOptions, options);
  const stepper = characterStepper(model);
  try {
    const rng = createRng(o.seed, 'write-text');
    const written: number[] = [];
    let next = await readPrompt(stepper, vocabulary.encode(o.prompt));
    while (written.length < o.length) {
      const id = draw(next, o.temperature, rng);
      written.push(id);
      if (written.length < o.length) next = await stepper.next(id);
    }
    return vocabulary.decode(written);
  } finally {
    stepper.dispose();
  }
}

async function readPrompt(stepper: CharacterStepper, ids: ArrayLike<number>): Promise<Float32Array> {
  let next: Float32Array | undefined;
  for (const id of Array.from(ids)) next = await stepper.next(id);
  if (next) return next;
  throw new ModelError(
    'writeText(): expected a prompt of characters that the vocabulary knows, got none of them. Prompt with others.',
  );
}

/** Draws from `p^(1 / temperature)`, normalised: by the running sum, in double precision. */
function draw(probabilities: Float32Array, temperature: number, rng: Rng): number {
  const highest = probabilities.reduce((most, p) => Math.max(most, p)); // a vocabulary has more than can be arguments
  if (temperature === 0) return probabilities.indexOf(highest);
  // The likeliest is 1, so none overflows, however low the temperature.
  const powers = Array.from(probabilities, (p) => Math.exp((Math.log(p) - Math.log(highest)) / temperature));
  let rest = rng.uniform() * powers.reduce((sum, power) => sum + power, 0);
  const found = powers.findIndex((power) => (rest -= power) < 0);
  return found >= 0 ? found : powers.indexOf(1); // rounding left nothing: the likeliest
}
