import { z } from 'zod';
import { HistoryError, ScoreError } from '../errors.ts';
import { parseOptions } from '../options.ts';

export const ScoreTableOptions = z.strictObject({
  /**
   * Samples remembered at most; a further id is an error, unless `whenFull` says otherwise. A sample takes about 100 bytes.
   * @default 1,000,000 – about 100 MB
   */
  historyLimit: z
    .int()
    .positive()
    .max(2 ** 24)
    .default(1_000_000),
  /** What a further id is: an error, or a sample that is not remembered. @default 'error' */
  whenFull: z.enum(['error', 'forget']).default('error'),
  /** Numbers remembered of each sample, the newest first. @default 1 */
  depth: z.int().positive().max(64).default(1),
  /** Weight of the past when a score is updated, in [0, 1): 0 keeps the last score alone. @default 0 */
  memory: z.number().min(0).lt(1).default(0),
});

export type ScoreTableOptions = z.input<typeof ScoreTableOptions> & {
  /** Distinct samples of the corpus, if that is known: more ids than that are not stable. */
  readonly expected?: number | undefined;
};

/** What a table holds, for a checkpoint. */
export interface ScoreTableState {
  readonly ids: readonly string[];
  readonly scores: Float32Array;
}

/** Slots whose largest score is kept: about the root of a million. */
const BLOCK = 1024;

/**
 * Scores by sample id, for schemes that remember what a sample scored when it was last trained on. Bounded: it refuses
 * to outgrow `historyLimit`, and tells ids that are not stable by there being more of them than samples.
 *
 * @throws {HistoryError} on update, past the limit or when there are more ids than samples
 * @example
 * const table = new ScoreTable({ historyLimit: 10_000 });
 * table.update(['digits:0', 'digits:1'], [0.5, 1.5]);
 * table.get('digits:1'); // 1.5
 * table.mean; // 1
 */
export class ScoreTable {
  readonly depth: number;
  readonly #limit: number;
  readonly #memory: number;
  readonly #forgets: boolean;
  readonly #expected: number;
  readonly #slots = new Map<string, number>();
  #scores = new Float32Array(1024);
  #sum = 0;
  /** The largest of the newest scores of every `BLOCK` slots: so that the largest of all is found among few. */
  #blocks: number[] = [];

  constructor(options: ScoreTableOptions = {}) {
    const { expected = Infinity, ...rest } = options;
    const { historyLimit, depth, memory, whenFull } = parseOptions('ScoreTable', ScoreTableOptions, rest);
    this.#limit = historyLimit;
    this.#memory = memory;
    this.#forgets = whenFull === 'forget';
    this.depth = depth;
    this.#expected = expected;
  }

  get size(): number {
    return this.#slots.size;
  }

  /** Whether no further id is remembered. */
  get isFull(): boolean {
    return this.#slots.size >= Math.min(this.#limit, this.#expected);
  }

  /** The mean of the newest scores; 0 while there are none. */
  get mean(): number {
    return this.#slots.size === 0 ? 0 : this.#sum / this.#slots.size;
  }

  /** The largest of the newest scores; 0 while there are none. */
  get largest(): number {
    return this.#blocks.reduce((largest, score) => Math.max(largest, score), 0);
  }

  /** The newest score, if there is one. */
  get(id: string): number | undefined {
    const slot = this.#slots.get(id);
    return slot === undefined ? undefined : this.#scores[slot * this.depth]!;
  }

  /** The last scores, the newest first; 0 where there is none. @returns [depth], borrowed */
  history(id: string): Float32Array {
    const slot = this.#slots.get(id);
    return slot === undefined
      ? new Float32Array(this.depth)
      : this.#scores.subarray(slot * this.depth, (slot + 1) * this.depth);
  }

  /** @throws {ScoreError} when a score is not finite */
  update(ids: readonly string[], scores: ArrayLike<number>): void {
    for (const [i, id] of ids.entries()) this.#updateOne(id, scores[i]!);
  }

  #updateOne(id: string, score: number): void {
    if (!Number.isFinite(score))
      throw new ScoreError(
        `Score table: expected a finite score of sample ${id}, got ${score}. Lower the learning rate, or look for NaN in it.`,
        { id, score },
      );
    const known = this.#slots.get(id);
    if (known === undefined && this.#forgets && this.isFull) return;
    const slot = known ?? this.#add(id);
    const at = slot * this.depth;
    const last = this.#scores[at]!;
    const next = known === undefined ? score : this.#memory * last + (1 - this.#memory) * score;
    this.#scores.copyWithin(at + 1, at, at + this.depth - 1);
    this.#scores[at] = next;
    this.#sum += this.#scores[at] - last;
    this.#noteBlock(Math.floor(slot / BLOCK), last, this.#scores[at]);
  }

  #noteBlock(block: number, last: number, next: number): void {
    const largest = this.#blocks[block] ?? -Infinity;
    if (next >= largest) this.#blocks[block] = next;
    else if (last === largest) this.#blocks[block] = this.#largestOf(block);
  }

  #largestOf(block: number): number {
    let largest = -Infinity;
    for (let slot = block * BLOCK; slot < Math.min(this.size, (block + 1) * BLOCK); slot++)
      largest = Math.max(largest, this.#scores[slot * this.depth]!);
    return largest;
  }

  #add(id: string): number {
    const slot = this.#slots.size;
    if (slot >= this.#expected)
      throw new HistoryError(
        `Score table: expected at most ${this.#expected} ids, one a sample of the corpus, got another, ${id}. ` +
          'Ids must be the same in every epoch: name samples by shard and index, or choose a scheme without a memory.',
        { expected: this.#expected, id },
      );
    if (slot >= this.#limit)
      throw new HistoryError(
        `Score table: expected at most ${this.#limit} ids (\`historyLimit\`), got another, ${id}. ` +
          'Raise the limit, or choose a scheme without a memory, such as upper-bound.',
        { limit: this.#limit, id },
      );
    if ((slot + 1) * this.depth > this.#scores.length) this.#grow();
    this.#slots.set(id, slot);
    return slot;
  }

  #grow(): void {
    const larger = new Float32Array(Math.max(2 * this.#scores.length, 2 * this.depth));
    larger.set(this.#scores);
    this.#scores = larger;
  }

  state(): ScoreTableState {
    return { ids: [...this.#slots.keys()], scores: this.#scores.slice(0, this.size * this.depth) };
  }

  restore({ ids, scores }: ScoreTableState): void {
    this.#slots.clear();
    this.#scores = Float32Array.from({ length: Math.max(1024, scores.length) }, (_, i) => scores[i] ?? 0);
    ids.forEach((id, slot) => this.#slots.set(id, slot));
    this.#sum = ids.reduce((sum, _, slot) => sum + this.#scores[slot * this.depth]!, 0);
    this.#blocks = Array.from({ length: Math.ceil(this.size / BLOCK) }, (_, block) => this.#largestOf(block));
  }
}
