import * as tf from '@tensorflow/tfjs';
import type { Head } from '../../model/head.ts';
import type { Presample } from '../../stream/presample.ts';
import type { Scorer } from '../model-scorer.ts';
import type { ScorePlace } from './place.ts';
import { Versions } from './versions.ts';

/**
 * Scores in this process, with the parameters that another place would have: what stale scores are worth can be seen, and
 * other places be checked against it. Nothing overlaps; parameters are exchanged for the length of a score.
 *
 * Memory: up to `ahead + 2` versions of the parameters.
 */
export class InlinePlace implements ScorePlace {
  readonly #head: Head;
  readonly #scorer: Scorer;
  readonly #begun = new Map<Presample, number>();
  readonly #versions = new Versions<readonly tf.Tensor[]>(
    () => this.#weights(),
    (weights) => tf.dispose([...weights]),
  );

  constructor(head: Head, scorer: Scorer) {
    this.#head = head;
    this.#scorer = scorer;
  }

  async start(): Promise<void> {}

  retain(version: number): void {
    this.#versions.retain(version);
  }

  begin(presample: Presample, version: number): void {
    this.#begun.set(presample, version);
  }

  /** Called while the trainer waits, so nobody sees the exchange. */
  async score(presample: Presample): Promise<Float32Array> {
    const version = this.versionOf(presample);
    const now = this.#weights();
    try {
      this.#put(this.#versions.of(version));
      return await this.#scorer.score(presample);
    } finally {
      this.#put(now);
      tf.dispose([...now]);
      this.#begun.delete(presample);
      this.#versions.release(version);
    }
  }

  versionOf(presample: Presample): number {
    return this.#begun.get(presample)!; // `begin` came first
  }

  cancel(): void {}

  async close(): Promise<void> {
    this.#versions.clear();
  }

  #weights(): readonly tf.Tensor[] {
    return this.#head.model.weights.map((weight) => tf.keep(weight.read().clone()));
  }

  #put(values: readonly tf.Tensor[]): void {
    for (const [i, weight] of this.#head.model.weights.entries()) weight.write(values[i]!);
  }
}
