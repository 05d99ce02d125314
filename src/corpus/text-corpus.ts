import { z } from 'zod';
import { CorpusError } from '../errors.ts';
import { parseOptions } from '../options.ts';
import { fileSources, memorySource, type ByteSource } from './byte-source.ts';
import { unpacked } from './expanded-source.ts';
import type { Segment } from './segments.ts';
import { indexBytes, indexCharacters, type TextIndex } from './text-index.ts';
import { byteVocabulary, CharacterVocabulary, type Vocabulary } from './vocabulary.ts';
import { WindowedText, type TextCorpus } from './windowed-text.ts';

const isVocabulary = (value: unknown): value is Vocabulary =>
  value === byteVocabulary || value instanceof CharacterVocabulary;

export const TextCorpusOptions = z
  .strictObject({
    /** A UTF-8 text file, or a folder of them (each a shard, found at any depth). Give this or `text`. */
    path: z.string().min(1).optional(),
    /** The text itself. Give this or `path`. */
    text: z.string().optional(),
    /** Units in a window, T: time steps of one sample. */
    window: z
      .int()
      .min(1)
      .max(2 ** 20),
    /** Units from the start of one window to the next, in [1, window]. @default window */
    stride: z.int().min(1).optional(),
    /** What a time step is: a character (a Unicode code point) or a byte. @default 'character' */
    unit: z.enum(['character', 'byte']).default('character'),
    /** Numbers for the characters. @default built from the text, in one pass over it */
    vocabulary: z
      .custom<Vocabulary>(isVocabulary, { error: 'must come from this toolkit: `parseVocabulary` or `loadVocabulary`' })
      .optional(),
    /** What a vocabulary built here does with characters that it has not seen. @default 'error' */
    unknown: z.enum(['error', 'token']).default('error'),
    /** Names the corpus in logs. @default the file's or folder's name */
    name: z.string().min(1).optional(),
    /**
     * Windows mixed at a time. They come from blocks of up to 256 windows picked all over the corpus. Worst case in
     * memory: 2 × (shuffleBuffer + 256) × (stride + T / 256) × 4 bytes. @default 8192 – guess
     */
    shuffleBuffer: z
      .int()
      .min(1)
      .max(2 ** 24)
      .default(8192),
    /** Endings of the files that count as text in a folder. Also packed, as `.txt.gz` or `.txt.zst`. @default ['.txt', '.text', '.md', '.rst'] */
    extensions: z
      .array(z.string().regex(/^\.\w+$/, { error: 'must look like .txt' }))
      .min(1)
      .default(['.txt', '.text', '.md', '.rst']),
    /** Only files whose path below the folder holds this. @default all of them */
    include: z.string().min(1).optional(),
    /** Stops the first pass over the text. */
    signal: z.instanceof(AbortSignal, { error: 'must be an AbortSignal' }).optional(),
  })
  .refine((o) => (o.path === undefined) !== (o.text === undefined), {
    path: ['path'],
    error: 'must be given, or `text`, and not both: it says where the text is',
  })
  .refine((o) => o.stride === undefined || o.stride <= o.window, {
    path: ['stride'],
    error: 'must be at most `window`: a larger one would skip text',
  })
  .refine((o) => o.vocabulary === undefined || o.vocabulary.unit === o.unit, {
    path: ['vocabulary'],
    error: 'must be of the same `unit` as the corpus',
  });
export type TextCorpusOptions = z.input<typeof TextCorpusOptions>;

/**
 * Opens text of any size as windows for a language model. Characters need one pass over the text, which counts them,
 * builds the vocabulary and checks that the text is UTF-8; bytes need none.
 *
 * Columns: `x` int32 [T], `y` int32 [T], the next character of each time step. Ids: `<shard>:<offset>`, in units.
 *
 * @throws {OptionsError} when an option is unknown, out of range, or does not fit another
 * @throws {CorpusError} when there is no text, or too little for one window
 * @throws {ShardError} when a file is not UTF-8, or changes while it is read
 * @example
 * const { train, validation } = (await textCorpus({ path: 'moby-dick.txt', window: 64 })).split({ validation: 0.1 });
 * for await (const { id, x, y } of train.samples({ seed: 7, epochs: 1 })) console.log(id, x, y);
 */
export async function textCorpus(options: TextCorpusOptions): Promise<TextCorpus> {
  const parsed = parseOptions('textCorpus()', TextCorpusOptions, options);
  const name = parsed.name ?? nameOf(parsed.path);
  const sources: ByteSource[] = [];
  if (parsed.path === undefined) sources.push(memorySource(name, parsed.text!));
  else
    for (const source of await fileSources(parsed.path, parsed.extensions, parsed.include))
      sources.push(await unpacked(source));
  const { indexes, vocabulary } = await readThrough(sources, parsed);
  const layout = { name, indexes, vocabulary, window: parsed.window, stride: parsed.stride ?? parsed.window };
  const whole = indexes.map(({ units }, shard): Segment => ({ shard, from: 0, to: units }));
  const corpus = new WindowedText({ ...layout, shuffleBuffer: parsed.shuffleBuffer }, whole);
  if (corpus.length === 0) throw tooShort(parsed.path ?? '`text`', parsed.window, parsed.unit, indexes);
  return corpus;
}

const nameOf = (path?: string) => path?.split(/[/\\]/).findLast(Boolean) ?? 'text';

async function readThrough(sources: readonly ByteSource[], options: z.output<typeof TextCorpusOptions>) {
  if (options.unit === 'byte') return { indexes: sources.map(indexBytes), vocabulary: byteVocabulary };
  const seen = new Uint8Array(0x110000);
  const indexes: TextIndex[] = [];
  for (const source of sources) indexes.push(await indexCharacters(source, seen, options.signal));
  if (options.vocabulary) return { indexes, vocabulary: options.vocabulary };
  const codePoints: number[] = [];
  seen.forEach((flag, codePoint) => flag && codePoints.push(codePoint));
  return { indexes, vocabulary: new CharacterVocabulary(codePoints, options.unknown) };
}

function tooShort(where: string, window: number, unit: string, indexes: readonly TextIndex[]): CorpusError {
  const longest = indexes.reduce((most, { units }) => Math.max(most, units), 0);
  const got = indexes.length === 1 ? `${longest}` : `${indexes.length} files of at most ${longest}`;
  return new CorpusError(
    `textCorpus(): expected at least ${window + 1} ${unit}s in ${where} (a window and its last target), got ${longest === 0 ? 'an empty text' : got}. ` +
      (longest === 0 ? 'Check the file.' : 'Give more text, or a smaller `window`.'),
    { expected: window + 1, got: longest },
  );
}
