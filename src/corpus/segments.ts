import { z } from 'zod';
import { CorpusError } from '../errors.ts';
import { parseOptions } from '../options.ts';

/** A contiguous stretch of one shard, in the shard's own units (characters, bytes or samples): `[from, to)`. */
export interface Segment {
  readonly shard: number;
  readonly from: number;
  readonly to: number;
}

export const SplitOptions = z.strictObject({
  /** Share of the corpus that is kept for validation, in (0, 1). @default 0.1 – guess */
  validation: z.number().gt(0).lt(1).default(0.1),
  /**
   * The corpus is cut into this many equal stretches, and the end of each is kept. One keeps the end of the corpus: the
   * honest choice for text that moves on. More suit a corpus whose order is by class or by author. @default 1
   */
  blocks: z.int().min(1).max(100_000).default(1),
});
export type SplitOptions = z.input<typeof SplitOptions>;

/** A corpus in two parts that share nothing. */
export interface Split<Part> {
  readonly train: Part;
  readonly validation: Part;
}

/** Cuts segments, taken one after another, into a training and a validation part. */
export function splitSegments(
  where: string,
  segments: readonly Segment[],
  options: SplitOptions,
): Split<readonly Segment[]> {
  const { validation, blocks } = parseOptions(`${where}.split()`, SplitOptions, options);
  const total = segments.reduce((sum, segment) => sum + segment.to - segment.from, 0);
  const parts = { train: [] as Segment[], validation: [] as Segment[] };
  for (let block = 0; block < blocks; block++) {
    const from = Math.floor((total * block) / blocks);
    const to = Math.floor((total * (block + 1)) / blocks);
    const cut = to - Math.round((to - from) * validation);
    for (const segment of stretch(segments, from, cut)) parts.train.push(segment);
    for (const segment of stretch(segments, cut, to)) parts.validation.push(segment);
  }
  return parts;
}

/** The segments that cover places `[from, to)` of all the segments laid end to end. */
function* stretch(segments: readonly Segment[], from: number, to: number): Generator<Segment> {
  let start = 0;
  for (const segment of segments) {
    const end = start + segment.to - segment.from;
    const low = Math.max(from, start);
    const high = Math.min(to, end);
    if (low < high) yield { shard: segment.shard, from: segment.from + low - start, to: segment.from + high - start };
    start = end;
  }
}

/** @throws {CorpusError} when a part of a split holds no sample */
export function expectSamples(where: string, part: 'train' | 'validation', samples: number): void {
  if (samples > 0) return;
  throw new CorpusError(
    `${where}.split(): expected at least one sample in \`${part}\`, got none. ` +
      'Change `validation`, use fewer `blocks`, or add data.',
    { part },
  );
}
