import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BAD_SAMPLE_CHANNEL, type BadSample } from '../corpus/bad-samples.ts';
import { isMissing } from '../is-missing.ts';
import { cutAfter, MetricsFile } from './metrics-file.ts';

/** A line of `bad-samples.jsonl`: a sample that was left out, and the step before which it was met. */
export interface BadSampleLine extends BadSample {
  readonly step: number;
}

/**
 * Writes down which samples a run has left out (`onBadSample: 'skip'`): those of all corpora that are read in this
 * process meanwhile. There is no file as long as there is none.
 */
export class BadSamplesFile implements Disposable {
  readonly #path: string;
  /** Those that the run had left out before it was stopped. */
  readonly #before: ReadonlySet<string>;
  readonly #onFirst: (sample: BadSample) => void;
  readonly #met: BadSample[] = [];
  #file: MetricsFile<BadSampleLine> | undefined;
  #count: number;

  private constructor(path: string, before: ReadonlySet<string>, onFirst: (sample: BadSample) => void) {
    this.#path = path;
    this.#before = before;
    this.#count = before.size;
    this.#onFirst = onFirst;
    subscribe(BAD_SAMPLE_CHANNEL, this.#meet);
  }

  /**
   * @param resumedAt the step after which the run goes on, if it was stopped before
   * @param onFirst told of the first bad sample, so that nobody trains unaware of it
   * @throws {RunError} when a file that is there cannot be read or cut
   */
  static async open(
    folder: string,
    { resumedAt, onFirst }: { resumedAt?: number | undefined; onFirst: (sample: BadSample) => void },
  ): Promise<BadSamplesFile> {
    const path = join(folder, 'bad-samples.jsonl');
    if (resumedAt === undefined) return new BadSamplesFile(path, new Set(), onFirst);
    await cutAfter(path, resumedAt);
    return new BadSamplesFile(path, await idsIn(path), onFirst);
  }

  /** Samples left out so far, each once. */
  get count(): number {
    return this.#count;
  }

  /** Writes those met since the step before. @throws {RunError} when it cannot be written */
  step(step: number): void {
    if (this.#met.length === 0) return;
    this.#file ??= new MetricsFile<BadSampleLine>(this.#path, true);
    for (const { id, reason } of this.#met.splice(0)) this.#file.write({ step, id, reason });
  }

  /** @throws {RunError} when it cannot be written */
  flush(): void {
    this.#file?.flush();
  }

  [Symbol.dispose](): void {
    unsubscribe(BAD_SAMPLE_CHANNEL, this.#meet);
    this.#file?.close();
  }

  readonly #meet = (message: unknown): void => {
    const sample = message as BadSample; // the channel's type
    if (this.#before.has(sample.id)) return;
    this.#count += 1;
    this.#met.push(sample);
    if (this.#count === 1) this.#onFirst(sample);
  };
}

async function idsIn(path: string): Promise<Set<string>> {
  try {
    const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '');
    return new Set(lines.map((line) => (JSON.parse(line) as BadSampleLine).id)); // whole lines: see `cutAfter`
  } catch (error) {
    if (isMissing(error)) return new Set();
    throw error;
  }
}
