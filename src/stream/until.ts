/**
 * Passes items on until the signal aborts, and then ends, even while it waits for the next one. The source is not asked
 * to end: whoever runs the pipeline tears it down.
 */
export async function* until<Item>(
  source: AsyncIterable<Item>,
  signal?: AbortSignal,
): AsyncGenerator<Item, void, void> {
  const items = source[Symbol.asyncIterator]();
  const aborted = signal && new Promise<undefined>((resolve) => onAbort(signal, () => resolve(undefined)));
  for (;;) {
    const next = await (aborted ? Promise.race([aborted, items.next()]) : items.next());
    if (!next || next.done) return;
    yield next.value;
  }
}

const onAbort = (signal: AbortSignal, then: () => void): void => {
  if (signal.aborted) then();
  else signal.addEventListener('abort', then, { once: true });
};
