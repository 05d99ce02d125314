/** Where it starts, and what it never goes below. */
const least = 4;
/** Presamples that wait for the trainer, from which on there are more than it takes to be on the safe side. */
const plenty = 4;

/**
 * How many presamples may be scored ahead of the trainer: as few as keep it busy, because each one more makes scores a
 * step older. One more is let in whenever the trainer had to wait, one less whenever several waited for it.
 *
 * bench/cluster-simulation.ts: with two a worker and 64 workers where 4 would do, scores were 124 steps old on average.
 */
export class Room {
  #size = least;

  get size(): number {
    return this.#size;
  }

  /** The trainer had to wait. @param workers beyond two for each of these more is of no use */
  starved(workers: number): void {
    this.#size = Math.max(least, Math.min(this.#size + 1, 2 * workers));
  }

  /** So many waited for the trainer when it took one. */
  took(waiting: number): void {
    if (waiting >= plenty) this.#size = Math.max(least, this.#size - 1);
  }
}
