import { z } from 'zod';
import type { Passed } from '../stream/presample.ts';
import type { Corpus, Position, Sample, SampleOptions, SampleStream } from '../stream/sample.ts';

const count = z.int().nonnegative();
const AnyPosition = z.record(z.string(), z.unknown()).readonly();

/** Streams that cannot tell a position are gone on with by reading what was read before. */
const CountPosition = z.strictObject({ kind: z.literal('count'), taken: count });

/** Where a stream stood of which samples waited in buckets of lengths: it is read again from the oldest of them. */
const WaitingPosition = z.strictObject({
  kind: z.literal('waiting'),
  /** Where the stream stood at the oldest sample that waited, or a little before. */
  from: AnyPosition,
  /** How many samples lie before the first that waited, and from each to the next. */
  gaps: z.array(count),
  /** Samples that were taken since `from`. */
  taken: count,
});

export interface OpenOptions {
  /** Where an earlier stream stood. @default the beginning */
  readonly from?: Position | undefined;
  /** Whether samples may wait while later ones are done with. @default false */
  readonly mayWait?: boolean;
  /** Which share of the samples to give, where several trainers divide them. @default all of them */
  readonly share?: Share | undefined;
}

/** Every `world`-th sample, from the one at `rank` on: together the shares are the whole, in its order. */
export interface Share {
  readonly rank: number;
  readonly world: number;
}

/** A stream, and where it stands. */
export interface OpenStream {
  readonly samples: AsyncIterable<Sample>;
  /** The first so many samples had been taken before, and waited. */
  readonly rejoined: number;
  /** @param passed which of `samples` are done with; never fewer than when it was asked before */
  position(this: void, passed: Passed): Position;
}

/**
 * Opens a corpus where an earlier stream stood. A corpus that can tell positions starts there at once; any other is read
 * again up to there, so it must give the same order each time. Samples that waited come first.
 */
export function openStream(corpus: Corpus, options: SampleOptions, how: OpenOptions = {}): OpenStream {
  const { from, mayWait = false, share } = how;
  if (share) return openShare(openBase(corpus, options, from), share);
  const parsed = WaitingPosition.safeParse(from);
  const before = parsed.success ? parsed.data : { from, gaps: [], taken: 0 };
  const base = openBase(corpus, options, before.from);
  const waited = numbersOf(before.gaps);
  const marks = new Marks(base);
  return {
    samples: mayWait || parsed.success ? marks.noting(waited, before.taken) : base.samples,
    rejoined: waited.length,
    position: (passed) => marks.position(inBase(passed, waited, before.taken)),
  };
}

/**
 * A share of a stream. Its position is that of the whole stream when every trainer has taken as many samples as this one,
 * so what is taken is read together with the others' samples beside it.
 */
function openShare(base: Base, { rank, world }: Share): OpenStream {
  let given = 0;
  async function* samples(): AsyncGenerator<Sample, void, void> {
    let own: Sample | undefined;
    for await (const sample of base.samples) {
      if (given % world === rank) own = sample;
      given += 1;
      if (given % world !== 0 || own === undefined) continue;
      yield own;
      own = undefined;
    }
    if (own !== undefined) yield own; // the last samples may be fewer than the trainers
  }
  return { samples: samples(), rejoined: 0, position: ({ taken }) => base.position(Math.min(taken * world, given)) };
}

/** Samples from one mark to the next: so many at most are read again for nothing. */
const PER_MARK = 1024;

/** Remembers where a stream stood every so many samples: it can tell that of the last few only, and some wait long. */
class Marks {
  readonly #base: Base;
  #marks: { readonly taken: number; readonly position: Position }[] = [];

  constructor(base: Base) {
    this.#base = base;
  }

  /** The stream's samples, but of the first `taken` only those that waited. */
  async *noting(waited: readonly number[], taken: number): AsyncGenerator<Sample, void, void> {
    const left = new Set(waited);
    let number = 0;
    for await (const sample of this.#base.samples) {
      if (number % PER_MARK === 0) this.#marks.push({ taken: number, position: this.#base.position(number) });
      number += 1;
      if (number > taken || left.has(number - 1)) yield sample;
    }
  }

  position({ taken, waiting }: Passed): Position {
    const [oldest] = waiting;
    if (oldest === undefined) return this.#base.position(taken);
    const last = this.#marks.findLastIndex((mark) => mark.taken <= oldest);
    this.#marks = this.#marks.slice(last);
    const { taken: before, position } = this.#marks[0]!;
    return {
      kind: 'waiting',
      from: position,
      gaps: gapsOf(waiting.map((number) => number - before)),
      taken: taken - before,
    } satisfies z.output<typeof WaitingPosition>;
  }
}

/** What was passed, by the numbers of the stream underneath, of which this one gives `waited` and those from `taken` on. */
function inBase({ taken: own, waiting }: Passed, waited: readonly number[], taken: number): Passed {
  const numberOf = (number: number) => waited[number] ?? taken + number - waited.length;
  return {
    taken: taken + Math.max(0, own - waited.length),
    waiting: [...waiting.map(numberOf), ...waited.slice(own)].toSorted((a, b) => a - b),
  };
}

const numbersOf = (gaps: readonly number[]): number[] => {
  let number = -1;
  return gaps.map((gap) => (number += gap + 1));
};

const gapsOf = (numbers: readonly number[]): number[] =>
  numbers.map((number, i) => number - (i === 0 ? 0 : numbers[i - 1]! + 1));

interface Base {
  readonly samples: AsyncIterable<Sample>;
  position(this: void, taken: number): Position;
}

function openBase(corpus: Corpus, options: SampleOptions, from?: Position): Base {
  const counted = CountPosition.safeParse(from);
  if (counted.success) return countedStream(corpus.samples(options), counted.data.taken);
  const stream = corpus.samples(from ? { ...options, from } : options);
  return stream.position ? { samples: stream, position: stream.position } : countedStream(stream, 0);
}

const countedStream = (stream: SampleStream, skip: number): Base => ({
  samples: skip === 0 ? stream : without(stream, skip),
  position: (taken) => ({ kind: 'count', taken: skip + taken }) satisfies z.output<typeof CountPosition>,
});

async function* without(stream: AsyncIterable<Sample>, skip: number): AsyncGenerator<Sample, void, void> {
  let passed = 0;
  for await (const sample of stream) if (passed++ >= skip) yield sample;
}
