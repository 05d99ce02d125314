import { takeCheckpoint, writeCheckpoint } from '../train/checkpoint.ts';
import type { Snapshot } from '../train/fit-options.ts';

/** Takes checkpoints while a run goes on. The parameters are copied at once; the writing overlaps with training. */
export class Checkpointer {
  readonly #folder: string;
  readonly #everySeconds: number;
  #takenAt = 0;
  #writing: Promise<unknown> | undefined;
  #error: unknown;

  constructor(folder: string, everySeconds: number) {
    this.#folder = folder;
    this.#everySeconds = everySeconds;
  }

  /**
   * Starts a checkpoint when it is time and none is being written.
   * @throws what went wrong with the last one
   */
  step(seconds: number, snapshot: () => Snapshot): void {
    if (this.#error) throw this.#error;
    if (this.#writing || seconds - this.#takenAt < this.#everySeconds) return;
    this.#takenAt = seconds;
    this.#writing = this.#write(snapshot())
      .catch((error: unknown) => (this.#error = error))
      .finally(() => (this.#writing = undefined));
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
    await writeCheckpoint(this.#folder, await takeCheckpoint(snapshot));
  }
}
