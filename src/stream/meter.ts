import type { Turnstile } from './gate.ts';
import { fillsRows, withRows } from './sample.ts';
import type { Stage } from './stage.ts';

/** What a stage has done so far. */
export interface StageCounts {
  /** Items taken from upstream and given downstream. */
  taken: number;
  given: number;
  /** Milliseconds spent waiting for the upstream to give, and for the downstream to ask. */
  waitedUpstreamMs: number;
  waitedDownstreamMs: number;
}

/** What presample needs of a turnstile. */
type HoldsBack = Pick<Turnstile, 'enter' | 'meanwhile'>;

/**
 * Counts what flows through each stage and where time is waited: the stage whose upstream wait is long is starved, the
 * one whose downstream wait is long is stalled.
 *
 * @example
 * const meter = new Meter();
 * const counted = meter.count('presample', presample(options));
 * meter.stages.get('presample')?.waitedUpstreamMs; // milliseconds waited for samples
 */
export class Meter {
  readonly stages = new Map<string, StageCounts>();
  #heldMs = 0;
  #heldSince: number | undefined;

  /** Wraps a stage so that its items and waits are counted under `name`. */
  count<In, Out>(name: string, stage: Stage<In, Out>): Stage<In, Out> {
    const counts = this.#counts(name);
    const { now } = this;
    return async function* (source) {
      for await (const item of timedGiving(stage(timedTaking(source, counts, now)), counts, now)) yield item;
    };
  }

  /** Counts what is taken from a source; for the end of a pipeline, which gives nothing. */
  taking<Item>(name: string, source: AsyncIterable<Item>): AsyncGenerator<Item, void, void> {
    return timedTaking(source, this.#counts(name), this.now);
  }

  /**
   * A turnstile that stops the clock while it holds presample back: streams ask ahead of the trainer, and what passes
   * then is the trainer's step, for which no stage waits. What presample does meanwhile is counted.
   */
  holding(turnstile: HoldsBack): HoldsBack {
    let isHeld = false;
    return {
      enter: async (signal) => {
        isHeld = true;
        this.#stop();
        try {
          await turnstile.enter(signal);
        } finally {
          isHeld = false;
          this.#goOn();
        }
      },
      meanwhile: (work) =>
        turnstile.meanwhile?.(async () => {
          this.#goOn();
          try {
            await work();
          } finally {
            if (isHeld) this.#stop();
          }
        }),
    };
  }

  /** Milliseconds, without those in which a turnstile held. */
  readonly now = (): number => (this.#heldSince ?? performance.now()) - this.#heldMs;

  #stop(): void {
    this.#heldSince ??= performance.now();
  }

  #goOn(): void {
    this.#heldMs += performance.now() - (this.#heldSince ?? performance.now());
    this.#heldSince = undefined;
  }

  #counts(name: string): StageCounts {
    const fresh = { taken: 0, given: 0, waitedUpstreamMs: 0, waitedDownstreamMs: 0 };
    const counts = this.stages.get(name) ?? fresh;
    this.stages.set(name, counts);
    return counts;
  }
}

/** The source's items, counted as they are taken; a source that writes rows still does. */
function timedTaking<Item>(
  source: AsyncIterable<Item>,
  counts: StageCounts,
  now: () => number,
): AsyncGenerator<Item, void, void> {
  const items = timedItems(source, counts, now);
  if (!fillsRows(source)) return items;
  return withRows(items, source, async (...asked) => {
    const began = now();
    const ids = await source.fillRows(...asked);
    counts.waitedUpstreamMs += now() - began;
    counts.taken += ids.length;
    return ids;
  });
}

async function* timedItems<Item>(
  source: AsyncIterable<Item>,
  counts: StageCounts,
  now: () => number,
): AsyncGenerator<Item, void, void> {
  let asked = now();
  for await (const item of source) {
    counts.waitedUpstreamMs += now() - asked;
    counts.taken += 1;
    yield item;
    asked = now();
  }
  counts.waitedUpstreamMs += now() - asked;
}

async function* timedGiving<Item>(
  items: AsyncIterable<Item>,
  counts: StageCounts,
  now: () => number,
): AsyncGenerator<Item, void, void> {
  for await (const item of items) {
    counts.given += 1;
    const given = now();
    yield item;
    counts.waitedDownstreamMs += now() - given;
  }
}
