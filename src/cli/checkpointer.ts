import { takeCheckpoint, writeCheckpoint } from '../train/checkpoint.ts';
import type { Snapshot } from '../train/fit-options.ts';
import type { StepRecord } from '../train/step-record.ts';

/** When checkpoints are taken, at whichever comes first, and how many are kept. */
export interface CheckpointPlan {
  readonly seconds?: number | undefined;
  readonly steps?: number | undefined;
  readonly keep?: number | undefined;
}

/** Takes checkpoints while a run goes on. The parameters are copied at once; the writing overlaps with training. */
export class Checkpointer {
  readonly #folder: string;
  readonly #every: CheckpointPlan;
  #taken = { seconds: 0, step: 0 };
  #writing: Promise<unknown> | undefined;
  #error: unknown;

  /** @param from where a run goes on that had taken some before */
  constructor(folder: string, plan: CheckpointPlan, from: { seconds: number; step: number } = { seconds: 0, step: 0 }) {
    this.#folder = folder;
    this.#every = plan;
    this.#taken = from;
  }

  /**
   * Starts a checkpoint when it is time and none is being written.
   * @throws what went wrong with the last one
   */
  step({ seconds, step }: Pick<StepRecord, 'seconds' | 'step'>, snapshot: () => Snapshot): void {
    if (this.#error) throw this.#error;
    if (this.#writing || !this.#isDue(seconds, step)) return;
    this.#taken = { seconds, step };
    this.#writing = this.#write(snapshot())
      .catch((error: unknown) => (this.#error = error))
      .finally(() => (this.#writing = undefined));
  }

  #isDue(seconds: number, step: number): boolean {
    const { seconds: everySeconds = Infinity, steps = Infinity } = this.#every;
    return seconds - this.#taken.seconds >= everySeconds || step - this.#taken.step >= steps;
  }

  /** Waits for what is being written. Throws nothing: for the way out of a run that failed. */
  async settle(): Promise<void> {
    await this.#writing;
  }

  /** Takes the last checkpoint of the run. */
  async finish(snapshot: Snapshot): Promise<void> {
    await this.#writing;
    if (this.#error) throw this.#error;
    await this.#write(snapshot);
  }

  async #write(snapshot: Snapshot): Promise<void> {
    await writeCheckpoint(this.#folder, await takeCheckpoint(snapshot), { keep: this.#every.keep ?? 2 });
  }
}
