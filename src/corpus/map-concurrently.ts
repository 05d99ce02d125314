/** Files that are open at a time while a pool is read. */
const AT_ONCE = 16;

/**
 * Runs `work` for every item, a few at a time. After a failure no further item is begun, and the error is thrown only
 * when those under way have ended, so that nothing goes on behind the caller's back.
 */
export async function mapConcurrently<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
  atOnce = AT_ONCE,
): Promise<void> {
  let next = 0;
  const failures: unknown[] = [];
  const runOne = async () => {
    while (next < items.length && failures.length === 0) {
      try {
        await work(items[next++]!);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, runOne));
  if (failures.length > 0) throw failures[0];
}

/** Sorts items into groups, in the order of their first member. `Map.groupBy` needs Node 21. */
export function groupBy<Key, Item>(items: readonly Item[], keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
