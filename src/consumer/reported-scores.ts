import type { Scorer } from '../importance/model-scorer.ts';
import type { Presample } from '../stream/presample.ts';

/** Share of the mean score that every sample keeps, so that one whose score has grown stale can still be drawn. */
const floor = 0.1;

/**
 * Scores samples by what a trainer last reported about them: no forward pass is needed, which suits a trainer elsewhere.
 * A sample that nobody has reported on counts as an average one.
 *
 * Memory: one number and the id of each sample reported on, so about 100 bytes a sample of the corpus.
 */
export class ReportedScores implements Scorer {
  readonly #scores = new Map<string, number>();
  #sum = 0;

  report(ids: readonly string[], scores: ArrayLike<number>): void {
    for (const [row, id] of ids.entries()) {
      this.#sum += scores[row]! - (this.#scores.get(id) ?? 0);
      this.#scores.set(id, scores[row]!);
    }
  }

  score({ ids }: Pick<Presample, 'ids'>): Promise<Float32Array> {
    const mean = this.#scores.size === 0 ? 1 : this.#sum / this.#scores.size;
    return Promise.resolve(Float32Array.from(ids, (id) => Math.max(this.#scores.get(id) ?? mean, floor * mean)));
  }
}
