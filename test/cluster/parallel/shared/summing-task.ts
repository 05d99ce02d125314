import type { SharedFileName } from '../../../../src/cluster/parallel/shared/shared-file.ts';
import { createRng } from '../../../../src/stream/random.ts';

/** What a process of summing.ts does. */
export interface SummingTask {
  readonly rank: number;
  readonly world: number;
  readonly count: number;
  readonly sums: number;
  readonly stepSeconds: number;
  readonly memory: SharedFileName;
}

/** What a process gives to a sum: of so different sizes that another order of summation gives other bits. */
export function numbersOf(rank: number, sum: number, count: number): Float32Array {
  const rng = createRng(7, 'numbers', rank, sum);
  return Float32Array.from({ length: count }, () => (rng.uniform() - 0.5) * 10 ** rng.integer(8));
}
