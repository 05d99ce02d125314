import { z } from 'zod';
import { CorpusError } from '../errors.ts';
import { parseOptions } from '../options.ts';
import { createRng, deriveSeed, rngFrom, type Rng } from '../stream/random.ts';
import type { Corpus, Position, Sample, SampleOptions, SampleStream } from '../stream/sample.ts';
import type { Classes } from './labels.ts';

/** A corpus in a mixture, and how much of it. */
export interface MixturePart {
  readonly corpus: Corpus;
  /** Share of the samples, against the other parts' shares. */
  readonly share?: number;
  /** Passes over this corpus in the time in which one with 1 is passed once: 2 is twice as often as its size says. */
  readonly repeat?: number;
}

export const MixtureOptions = z.strictObject({
  /** Names the mixture in logs. @default the names of its parts */
  name: z.string().min(1).optional(),
  /**
   * Without shares or repeats: a corpus of n samples is drawn in proportion to n^α. 1 is by size, 0 is all alike, between
   * them small corpora are lifted. @default 1
   */
  alpha: z.number().min(0).max(1).default(1),
});
export type MixtureOptions = z.input<typeof MixtureOptions>;

const MixturePosition = z.strictObject({
  kind: z.literal('mixture'),
  taken: z.int().nonnegative(),
  rng: z.array(z.number()),
  /** Samples taken from each part, and where its stream stood. */
  parts: z.array(z.strictObject({ name: z.string(), position: z.record(z.string(), z.unknown()) })),
});

/** Several corpora as one. */
export interface Mixture extends Corpus {
  /** Chance of each part to give the next sample; they sum to 1. */
  readonly shares: readonly number[];
  /** Samples that each part has given, over all streams: by name. */
  readonly counts: Readonly<Record<string, number>>;
  /** Changes the shares, for every stream, from its next sample on. */
  setShares(shares: readonly number[]): void;
}

/** Draws that are remembered for `position`: a consumer may be this many samples behind what was given. */
const REMEMBERED = 2 ** 14;

/**
 * Mixes corpora: each sample comes from a part drawn by the shares, so every part's samples are drawn uniformly, each once
 * in a pass over that part. Ids get the part's name in front. The mixture has no end unless a part's stream has: an epoch
 * is as many samples as all parts have together.
 *
 * Shares may change during a run; a position holds what was drawn, so a run goes on exactly, with the shares of then.
 *
 * @throws {CorpusError} when columns or names differ or clash, or a size is needed that is not known
 * @example const both = mixture([{ corpus: old, share: 0.3 }, { corpus: recent, share: 0.7 }]);
 */
export function mixture(parts: readonly MixturePart[], options: MixtureOptions = {}): Mixture {
  const parsed = parseOptions('mixture()', MixtureOptions, options);
  expectAlike(parts);
  let shares = initialShares(parts, parsed.alpha);
  const counts: Record<string, number> = Object.fromEntries(parts.map(({ corpus }) => [corpus.name, 0]));
  const lengths = parts.map(({ corpus }) => corpus.length);
  const length = lengths.every((own) => own !== undefined) ? lengths.reduce((sum, own) => sum + own, 0) : undefined;
  const classes = commonClasses(parts);
  return {
    name: parsed.name ?? parts.map(({ corpus }) => corpus.name).join('+'),
    schema: parts[0]!.corpus.schema,
    ...(classes && { classes }),
    length,
    partOf: partNaming(parts),
    get shares() {
      return shares;
    },
    get counts() {
      return { ...counts };
    },
    setShares: (next) => {
      shares = normalised(next, parts.length);
    },
    samples: (given) =>
      mixedStream(parts, given, { length, shares: () => shares, count: (name) => (counts[name]! += 1) }),
  };
}

/** Finds the part whose name is in front of an id; a name that begins with another's is meant where both fit. */
function partNaming(parts: readonly MixturePart[]): (id: string) => string {
  const names = parts.map(({ corpus }) => corpus.name).toSorted((a, b) => b.length - a.length);
  return (id) => names.find((name) => id.startsWith(`${name}/`)) ?? 'unknown';
}

interface Mixing {
  readonly length: number | undefined;
  shares(this: void): readonly number[];
  count(this: void, name: string): void;
}

function mixedStream(parts: readonly MixturePart[], options: SampleOptions, mixing: Mixing): SampleStream {
  const { seed, epochs = Infinity, from, shuffle = true, signal, ahead } = options;
  const saved = from && parseOptions('mixture.samples(): `from`', MixturePosition, from);
  if (saved && saved.parts.map(({ name }) => name).join() !== parts.map(({ corpus }) => corpus.name).join())
    throw new CorpusError(
      `mixture(): expected a position of ${parts.length} parts by these names, got others. Go on with the mixture that it comes from.`,
    );
  if (epochs !== Infinity && mixing.length === undefined)
    throw new CorpusError(
      'mixture(): expected parts of known length to count epochs, got one without. Leave `epochs` out.',
    );
  const streams = parts.map(({ corpus }, part) => {
    const position = saved?.parts[part]?.position;
    return corpus.samples({
      seed: deriveSeed(seed, 'mixture', part),
      shuffle,
      ...(ahead !== undefined && { ahead }), // any part may be the one that is drawn from
      ...(position && { from: position }),
      ...(signal && { signal }),
    });
  });
  const log = new DrawLog(parts.length, saved ? rngFrom(saved.rng) : createRng(seed, 'mixture'));
  const positions = streams.flatMap(({ position }) => (position ? [position] : []));
  const position = (taken: number): Position => {
    const { rng, counts } = log.at(taken);
    const told = parts.map(({ corpus }, part) => ({ name: corpus.name, position: positions[part]!(counts[part]!) }));
    return { kind: 'mixture', taken: (saved?.taken ?? 0) + taken, rng: [...rng], parts: told } satisfies z.output<
      typeof MixturePosition
    >;
  };
  return {
    [Symbol.asyncIterator]: () =>
      draw(parts, streams, log, mixing, epochs * (mixing.length ?? Infinity) - (saved?.taken ?? 0)),
    ...(positions.length === parts.length && { position }), // else it is gone on with by reading again
  };
}

async function* draw(
  parts: readonly MixturePart[],
  streams: readonly SampleStream[],
  log: DrawLog,
  mixing: Mixing,
  limit: number,
): AsyncGenerator<Sample, void, void> {
  const iterators = streams.map((stream) => stream[Symbol.asyncIterator]());
  try {
    for (let given = 0; given < limit; given++) {
      const part = log.draw(mixing.shares());
      const next = await iterators[part]!.next();
      if (next.done) return;
      const { name } = parts[part]!.corpus;
      mixing.count(name);
      yield { ...next.value, id: `${name}/${next.value.id}` };
    }
  } finally {
    await Promise.all(iterators.map(async (iterator) => iterator.return?.()));
  }
}

/** What was drawn: the part of each of the last samples, and the random state before it. */
class DrawLog {
  readonly #rng: Rng;
  /** Samples of each part before the first that is remembered. */
  readonly #before: number[];
  #drawn: { readonly part: number; readonly rng: readonly number[] }[] = [];
  #forgotten = 0;

  constructor(parts: number, rng: Rng) {
    this.#rng = rng;
    this.#before = Array.from({ length: parts }, () => 0);
  }

  draw(shares: readonly number[]): number {
    const rng = this.#rng.state();
    let left = this.#rng.uniform();
    let part = 0;
    while (part < shares.length - 1 && (left -= shares[part]!) >= 0) part += 1;
    while (shares[part] === 0) part -= 1; // rounding must not draw what has no share
    this.#drawn.push({ part, rng });
    if (this.#drawn.length >= 2 * REMEMBERED) this.#forget();
    return part;
  }

  /** The state when `taken` samples were taken. */
  at(taken: number): { rng: readonly number[]; counts: readonly number[] } {
    const place = taken - this.#forgotten;
    if (place < 0 || place > this.#drawn.length)
      throw new CorpusError(
        `mixture(): expected a position of the last ${REMEMBERED} samples, got one of sample ${taken}. Ask for it sooner.`,
      );
    const counts = [...this.#before];
    for (let i = 0; i < place; i++) counts[this.#drawn[i]!.part]! += 1;
    return { rng: this.#drawn[place]?.rng ?? this.#rng.state(), counts };
  }

  #forget(): void {
    for (const { part } of this.#drawn.slice(0, REMEMBERED)) this.#before[part]! += 1;
    this.#drawn = this.#drawn.slice(REMEMBERED);
    this.#forgotten += REMEMBERED;
  }
}

function initialShares(parts: readonly MixturePart[], alpha: number): readonly number[] {
  const repeated = parts.find(({ repeat }) => repeat !== undefined);
  if (repeated && parts.some(({ share }) => share !== undefined))
    throw new CorpusError(
      `mixture(): expected shares or repeats, got a \`share\` and, of \`${repeated.corpus.name}\`, a \`repeat\`. Give each part the one or the other.`,
    );
  if (parts.some(({ share }) => share !== undefined))
    return normalised(
      parts.map(({ share }) => share ?? 0),
      parts.length,
    );
  const sizes = parts.map(({ corpus, repeat = 1 }) => {
    if (corpus.length === undefined)
      throw new CorpusError(
        `mixture(): expected corpus \`${corpus.name}\` to know its length, or a \`share\`, got neither. Give each part a \`share\`.`,
      );
    return repeat * corpus.length ** alpha;
  });
  return normalised(sizes, parts.length);
}

function normalised(shares: readonly number[], parts: number): readonly number[] {
  const sum = shares.reduce((total, share) => total + share, 0);
  if (shares.length !== parts || !shares.every((share) => share >= 0) || !(sum > 0 && sum < Infinity))
    throw new CorpusError(
      `mixture(): expected ${parts} shares of at least 0, not all 0, got [${shares.join(', ')}]. Give one for each part.`,
    );
  return shares.map((share) => share / sum);
}

function expectAlike(parts: readonly MixturePart[]): void {
  const [first] = parts;
  if (!first) throw new CorpusError('mixture(): expected at least one corpus, got none.');
  const schema = JSON.stringify(first.corpus.schema);
  const other = parts.find(({ corpus }) => JSON.stringify(corpus.schema) !== schema);
  if (other)
    throw new CorpusError(
      `mixture(): expected the columns of \`${first.corpus.name}\` (${schema}) in \`${other.corpus.name}\`, got ${JSON.stringify(other.corpus.schema)}. Open both alike.`,
    );
  const names = new Set(parts.map(({ corpus }) => corpus.name));
  if (names.size !== parts.length)
    throw new CorpusError(
      'mixture(): expected corpora of different names, got two of one. Name one of them with `name`.',
    );
}

/** The most classes that any part has, by column: a label of a part lies below its own. */
function commonClasses(parts: readonly MixturePart[]): Classes | undefined {
  const all = parts.map(({ corpus }) => corpus.classes ?? {});
  const columns = [...new Set(all.flatMap((own) => Object.keys(own)))];
  if (columns.length === 0) return undefined;
  return Object.fromEntries(columns.map((column) => [column, Math.max(...all.map((own) => own[column] ?? 0))]));
}
