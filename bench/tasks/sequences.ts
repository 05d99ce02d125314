/** ElectricDevices, SpamAssassin and Moby Dick, in memory. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { electricDevices } from '../../corpora/electric-devices/recipe.ts';
import { mobyDick } from '../../corpora/moby-dick/recipe.ts';
import { spamAssassin } from '../../corpora/spam-assassin/recipe.ts';
import { fetchCorpus } from '../../src/corpus/recipe.ts';
import { textCorpus } from '../../src/corpus/text-corpus.ts';
import { createRng, shuffle } from '../../src/stream/random.ts';
import { flipped, inMemory, rowsOf, type Labelled } from './in-memory.ts';

export interface SequenceOptions {
  /** Share of the training labels that are wrong; of a text, share of the windows whose next characters are shuffled. */
  readonly flipped?: number;
}

/** Series of 96 values, three a step: [32, 3], in 7 classes. */
export async function electricCorpora(options: SequenceOptions) {
  const { files } = await fetchCorpus(electricDevices);
  const read = async (part: string) => {
    const text = await readFile(
      files.find((file) => file.endsWith(`_${part}.tsv`))!,
      'utf8',
    );
    return text
      .trim()
      .split('\n')
      .map((line, i): Labelled => {
        const [label, ...values] = line.split('\t').map(Number);
        return { id: `${part}:${i}`, x: Float32Array.from(values), y: label! - 1 };
      });
  };
  const schema = { x: { type: 'float32', shape: [32, 3] }, y: { type: 'int32', shape: [] } } as const;
  return {
    train: inMemory('electric-devices', schema, flipped(await read('TRAIN'), options.flipped ?? 0, 7)),
    validation: inMemory('electric-devices-test', schema, await read('TEST')),
  };
}

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
