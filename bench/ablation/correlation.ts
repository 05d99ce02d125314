/** Pearson's correlation; 0 where one of them does not vary. */
export function correlation(a: ArrayLike<number>, c: ArrayLike<number>): number {
  const n = a.length;
  const meanOf = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0) / n;
  const [ma, mc] = [meanOf(a), meanOf(c)];
  let [cross, squareA, squareC] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    cross += (a[i]! - ma) * (c[i]! - mc);
    squareA += (a[i]! - ma) ** 2;
    squareC += (c[i]! - mc) ** 2;
  }
  return squareA === 0 || squareC === 0 ? 0 : cross / Math.sqrt(squareA * squareC);
}

/** Places in the order of size, for Spearman's correlation. */
export function ranks(values: ArrayLike<number>): Float64Array {
  const order = Array.from(values, (_, i) => i).toSorted((i, j) => values[i]! - values[j]!);
  const rank = new Float64Array(values.length);
  order.forEach((index, position) => (rank[index] = position));
  return rank;
}
