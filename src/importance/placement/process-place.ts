import * as tf from '@tensorflow/tfjs';
import { bindColumns, checkLabels, type Binding } from '../../model/binding.ts';
import type { Head } from '../../model/head.ts';
import { rowBytes, type Schema } from '../../stream/columns.ts';
import type { Presample } from '../../stream/presample.ts';
import type { Scheme } from '../scheme.ts';
import { aheadOf, type Placement } from './placement-options.ts';
import type { ScorePlace } from './place.ts';
import { recipeOf } from './score-recipe.ts';
import type { JobColumn, ScoreRecipe } from './jobs.ts';
import { ScoringProcess } from './scoring-process.ts';
import { SharedFile, type Region } from './shared-file.ts';
import { Versions } from './versions.ts';

interface Begun {
  readonly version: number;
  readonly scores: Promise<Float32Array>;
}

export interface ProcessPlaceOptions {
  readonly scheme: Scheme;
  readonly schema: Schema;
  readonly scoreBatchSize: number;
  readonly presampleSize: number;
  readonly placement: Placement;
}

/**
 * Scores in a process of its own. Parameters and columns go there through shared memory, scores come back as a message.
 *
 * Memory: `ahead + 1` presamples' columns and up to `ahead + 2` copies of the parameters in shared memory, and the
 * process itself.
 */
export class ProcessPlace implements ScorePlace {
  readonly #head: Head;
  readonly #options: ProcessPlaceOptions;
  readonly #recipe: ScoreRecipe;
  readonly #binding: Binding;
  readonly #begun = new Map<Presample, Begun>();
  readonly #versions = new Versions<Promise<Region>>(
    () => this.#share(),
    (region) => void region.then((shared) => this.#file?.giveBack(shared)).catch(() => {}), // told to who needed it
  );
  readonly #underWay = new Set<Promise<unknown>>();
  #file: SharedFile | undefined;
  #process: ScoringProcess | undefined;

  /** @throws {ModelError | OptionsError | ShapeError} when the run cannot be written down for another process */
  constructor(head: Head, options: ProcessPlaceOptions) {
    this.#head = head;
    this.#options = options;
    this.#recipe = recipeOf(head, options.scheme, options, options.placement);
    this.#binding = bindColumns(head.model, options.schema);
  }

  /** The scoring process, once it is started. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  async start(signal?: AbortSignal): Promise<void> {
    const { schema, presampleSize, placement } = this.#options;
    signal?.throwIfAborted();
    const ahead = aheadOf(placement);
    const columns = Object.values(schema).reduce((sum, spec) => sum + rowBytes(spec), 0) * presampleSize;
    this.#file = new SharedFile((ahead + 1) * columns + (ahead + 2) * 4 * this.#head.model.countParams());
    this.#process = new ScoringProcess(this.#file.fd, 1000 * placement.timeoutSeconds);
    const cancel = () => this.cancel(signal?.reason);
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      await this.#process.ask({ kind: 'open', recipe: this.#recipe });
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  retain(version: number): void {
    this.#versions.retain(version);
  }

  begin(presample: Presample, version: number): void {
    const scores = this.#track(this.#ask(presample, version));
    this.#begun.set(presample, { version, scores });
  }

  async score(presample: Presample): Promise<Float32Array> {
    try {
      return await this.#begun.get(presample)!.scores; // `begin` came first
    } finally {
      this.#begun.delete(presample);
    }
  }

  versionOf(presample: Presample): number {
    return this.#begun.get(presample)!.version;
  }

  cancel(reason: unknown): void {
    this.#process?.cancel(reason);
  }

  async close(): Promise<void> {
    await this.#process?.close();
    this.#begun.clear();
    this.#versions.clear();
    await Promise.allSettled(this.#underWay);
    this.#file?.close();
    this.#file = undefined;
  }

  async #ask(presample: Presample, version: number): Promise<Float32Array> {
    const file = this.#file!; // it was started
    let data: Region | undefined;
    try {
      checkLabels(this.#head, this.#binding, presample);
      const columns = this.#columnsOf(presample);
      data = file.write(columns.map(({ name }) => presample.column(name).data));
      const parameters = await this.#versions.of(version);
      const job = { version, parameters, rows: presample.size, columns, data };
      const answer = await this.#process!.ask({ kind: 'score', job });
      return answer.kind === 'scored' ? answer.scores : new Float32Array(); // of the wrong length: refused by who asked
    } finally {
      if (data) file.giveBack(data);
      this.#versions.release(version);
    }
  }

  #columnsOf(presample: Presample): JobColumn[] {
    const { inputs, targets, mask } = this.#binding;
    const names = [...inputs, ...targets, ...(mask === undefined ? [] : [mask])];
    return [...new Set(names)].map((name) => {
      const { type, shape } = presample.column(name);
      return { name, type, shape };
    });
  }

  /** Takes the parameters as they are now, and writes them to the shared file as soon as they are read. */
  #share(): Promise<Region> {
    const taken = this.#head.model.weights.map((weight) => tf.keep(weight.read().clone()));
    const write = async () => {
      try {
        return this.#file!.write(await Promise.all(taken.map((tensor) => tensor.data())));
      } finally {
        tf.dispose(taken);
      }
    };
    return this.#track(write());
  }

  /** Whoever waits for it is told when it fails; `close` waits for it in any case. */
  #track<Result>(work: Promise<Result>): Promise<Result> {
    this.#underWay.add(work);
    void work.catch(() => {}).finally(() => this.#underWay.delete(work));
    return work;
  }
}
