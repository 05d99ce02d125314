/**
 * Asks for up to `count` items ahead of the one in use. Errors come where their item would.
 *
 * @param count items made ahead; 0 asks only when asked
 */
export async function* prefetch<Item>(
  source: AsyncGenerator<Item, void, void>,
  count: number,
): AsyncGenerator<Item, void, void> {
  const pending: Promise<IteratorResult<Item, void>>[] = [];
  const ask = () => {
    const next = source.next();
    next.catch(() => {}); // thrown where it is awaited, after the items before it
    pending.push(next);
  };
  try {
    for (;;) {
      if (pending.length === 0) ask();
      const result = await pending.shift()!;
      if (result.done) return;
      while (pending.length < count) ask();
      yield result.value;
    }
  } finally {
    await Promise.allSettled(pending);
    await source.return();
  }
}
