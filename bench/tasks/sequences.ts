/** ElectricDevices, ECG5000, SpamAssassin and Moby Dick, in memory. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ecg5000 } from '../../corpora/ecg5000/recipe.ts';
import { electricDevices } from '../../corpora/electric-devices/recipe.ts';
import { mobyDick } from '../../corpora/moby-dick/recipe.ts';
import { spamAssassin } from '../../corpora/spam-assassin/recipe.ts';
import { fetchCorpus, type Recipe } from '../../src/corpus/recipe.ts';
import { textCorpus } from '../../src/corpus/text-corpus.ts';
import { createRng, shuffle } from '../../src/stream/random.ts';
import { flipped, inMemory, rowsOf, type Labelled } from './in-memory.ts';

export interface SequenceOptions {
  /** Share of the training labels that are wrong; of a text, share of the windows whose next characters are shuffled. */
  readonly flipped?: number;
}

/** Series of a UCR set, several values a step: [steps, values]. Their classes are 1, 2, ... */
async function seriesCorpora(recipe: Recipe, [steps, values]: readonly [number, number], options: SequenceOptions) {
  const { files } = await fetchCorpus(recipe);
  const read = async (part: string) => {
    const text = await readFile(
      files.find((file) => file.endsWith(`_${part}.tsv`))!,
      'utf8',
    );
    return text
      .trim()
      .split('\n')
      .map((line, i): Labelled => {
        const [label, ...numbers] = line.split('\t').map(Number);
        return { id: `${part}:${i}`, x: Float32Array.from(numbers), y: label! - 1 };
      });
  };
  const schema = { x: { type: 'float32', shape: [steps, values] }, y: { type: 'int32', shape: [] } } as const;
  return {
    train: inMemory(recipe.name, schema, flipped(await read('TRAIN'), options.flipped ?? 0, 7)),
    validation: inMemory(`${recipe.name}-test`, schema, await read('TEST')),
  };
}

/** Days of 96 values, in 7 classes. */
export const electricCorpora = (options: SequenceOptions) => seriesCorpora(electricDevices, [32, 3], options);

/** Heartbeats of 140 values, in 5 classes of which three are rare. */
export const heartbeatCorpora = () => seriesCorpora(ecg5000, [35, 4], {});

/** Bytes of a mail that are read. */
export const mailLength = 256;

/** Mails as bytes, [256], spam or ham. A quarter tests, split by the body, because some mails repeat. */
export async function spamCorpora(options: SequenceOptions) {
  const { files } = await fetchCorpus(spamAssassin);
  const [train, validation]: [Labelled[], Labelled[]] = [[], []];
  for (const line of (await readFile(files[0]!, 'utf8')).trim().split('\n')) {
    const { id, label, text } = JSON.parse(line) as { id: string; label: string; text: string }; // by the recipe
    const x = new Int32Array(mailLength);
    x.set(Buffer.from(text.slice(0, mailLength), 'latin1'));
    const isTest = createHash('sha256').update(text).digest()[0]! < 64;
    (isTest ? validation : train).push({ id, x, y: label === 'spam' ? 1 : 0 });
  }
  const schema = { x: { type: 'int32', shape: [mailLength] }, y: { type: 'int32', shape: [] } } as const;
  return {
    train: inMemory('spam-assassin', schema, flipped(train, options.flipped ?? 0, 2)),
    validation: inMemory('spam-assassin-test', schema, validation),
  };
}

/** Windows of 64 characters, as the pipeline of that name has them. */
export async function novelCorpora(options: SequenceOptions) {
  const { files } = await fetchCorpus(mobyDick);
  const text = await textCorpus({ path: files[0]!, window: 64, stride: 32 });
  const { train, validation } = text.split({ validation: 0.05 });
  const rng = createRng(1, 'flipped');
  const rows = (await rowsOf(train)).map((row) => {
    const next = row['y'] as Int32Array; // as the text's schema has it
    return rng.uniform() < (options.flipped ?? 0) ? { ...row, y: shuffle([...next], rng) } : row;
  });
  return {
    train: inMemory('moby-dick', train.schema, rows),
    validation: inMemory('moby-dick-test', validation.schema, await rowsOf(validation)),
    vocabulary: text.vocabulary,
  };
}
