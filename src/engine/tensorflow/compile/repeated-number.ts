import { dataTypes, type DataType } from '../binding/data-types.ts';
import type { HostValues } from '../binding/tensors.ts';

/** The number that a large constant repeats, if it does. */
export function repeatedNumber(shape: readonly number[], dtype: DataType, values: HostValues): number | undefined {
  if (values.length < 64 || (dtype !== dataTypes.float32 && dtype !== dataTypes.int32)) return undefined;
  if (values.length !== shape.reduce((product, dim) => product * dim, 1)) return undefined;
  const [first] = values;
  if (typeof first !== 'number') return undefined;
  for (const value of values) if (value !== first) return undefined;
  return first;
}
