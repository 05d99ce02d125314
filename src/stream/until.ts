import { unlessAborted } from './unless-aborted.ts';

/**
 * Passes items on until the signal aborts, and then ends, even while it waits for the next one. The source is not asked
 * to end: whoever runs the pipeline tears it down.
 */
export async function* until<Item>(
  source: AsyncIterable<Item>,
  signal?: AbortSignal,
): AsyncGenerator<Item, void, void> {
  const items = source[Symbol.asyncIterator]();
  for (;;) {
    const next = await (signal ? unlessAborted(items.next(), signal).catch(endOn(signal)) : items.next());
    if (!next || next.done) return;
    yield next.value;
  }
}

/** An abort is an end; any other error is one. */
const endOn =
  (signal: AbortSignal) =>
  (error: unknown): undefined => {
    if (!signal.aborted || error !== signal.reason) throw error;
  };
