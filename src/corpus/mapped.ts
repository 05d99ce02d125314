import { z } from 'zod';
import { CorpusError } from '../errors.ts';
import { parseOptions, Seed } from '../options.ts';
import { createRng, type Rng } from '../stream/random.ts';
import type { Schema } from '../stream/columns.ts';
import type { Corpus, Position, Sample, SampleOptions, SampleStream } from '../stream/sample.ts';

export const MappedOptions = z.strictObject({
  /** Names the corpus in logs. @default the name of the one that it is made of */
  name: z.string().min(1).optional(),
  /**
   * Samples made of each one: an epoch of the mapped corpus passes so many times over the other. Each copy is a sample of
   * its own, with an id of its own, and is the same in every epoch. @default 1
   */
  copies: z.int().min(1).max(1_000_000).default(1),
  /** Base of the random numbers that the function is given. @default 0 */
  seed: Seed.default(0),
});
export type MappedOptions = z.input<typeof MappedOptions> & {
  /** The columns of the samples that are made. @default those of the other corpus */
  readonly schema?: Schema;
};

/** What a mapping function is told beside the sample. */
export interface Copy {
  /** Which of the copies is made, from 0. */
  readonly copy: number;
  /** Random numbers that depend on the seed, the sample's id and the copy alone. */
  readonly rng: Rng;
}

/** Makes a sample's columns of another's; what it leaves out stays as it is. Pure but for `rng`. */
export type MapSample = (sample: Sample, copy: Copy) => Readonly<Record<string, Sample[string]>>;

const MappedPosition = z.strictObject({
  kind: z.literal('mapped'),
  /** Samples taken since the beginning of the first epoch. */
  taken: z.int().nonnegative(),
  base: z.record(z.string(), z.unknown()),
});

/**
 * Makes a corpus of another by a function of its samples, which are read and made one by one: another form of the columns,
 * or, with `copies`, a corpus that was augmented beforehand without lying on disk.
 *
 * @throws {OptionsError} when an option is unknown or out of range
 * @throws {CorpusError} when there are to be copies of a corpus that does not know its length
 *
 * @example
 * const even = mapped(old, ({ y }) => ({ y: Number(y) % 2 }));
 * const noisy = mapped(old, ({ x }, { rng }) => ({ x: (x as Float32Array).map((value) => value + 0.1 * rng.uniform()) }), { copies: 30 });
 */
export function mapped(corpus: Corpus, map: MapSample, options: MappedOptions = {}): Corpus {
  const { schema = corpus.schema, ...rest } = options;
  const where = `mapped(\`${corpus.name}\`)`;
  const { name = corpus.name, copies, seed } = parseOptions(where, MappedOptions, rest);
  const { length } = corpus;
  if (copies > 1 && !length)
    throw new CorpusError(
      `${where}: expected a corpus that knows its length, to tell ${copies} copies apart, got one of ${length ?? 'unknown'} samples. Leave \`copies\` out.`,
    );
  const make = (sample: Sample, copy: number): Sample => {
    const made = map(sample, { copy, rng: createRng(seed, 'mapped', sample.id, copy) });
    return { ...sample, ...made, id: copies === 1 ? sample.id : `${sample.id}#${copy}` };
  };
  return {
    name,
    schema,
    ...(corpus.classes && { classes: corpus.classes }),
    length: length === undefined ? undefined : length * copies,
    samples: (given) => stream(where, corpus, copies, make, given),
  };
}

function stream(
  where: string,
  corpus: Corpus,
  copies: number,
  make: (sample: Sample, copy: number) => Sample,
  { from, epochs = Infinity, ...options }: SampleOptions,
): SampleStream {
  const start = from === undefined ? undefined : positionOf(where, from);
  const before = start?.taken ?? 0;
  const base = corpus.samples({ ...options, epochs: epochs * copies, ...(start && { from: start.base }) });
  const { length } = corpus;
  const { position, epochOf = length ? (index: number) => Math.floor((before + index) / length) : undefined } = base;
  async function* samples() {
    let index = 0;
    for await (const sample of base) yield make(sample, copies === 1 ? 0 : epochOf!(index++) % copies);
  }
  return Object.assign(samples(), {
    ...(epochOf && { epochOf: (index: number) => Math.floor(epochOf(index) / copies) }),
    ...(position && {
      position: (taken: number) => ({ kind: 'mapped', taken: before + taken, base: position(taken) }),
    }),
  });
}

function positionOf(where: string, from: Position): z.output<typeof MappedPosition> {
  const parsed = MappedPosition.safeParse(from);
  if (parsed.success) return parsed.data;
  throw new CorpusError(
    `${where}.samples(): expected the position of a mapped corpus as \`from\`, got ${JSON.stringify(from).slice(0, 80)}. Go on with the corpus that told it.`,
  );
}
