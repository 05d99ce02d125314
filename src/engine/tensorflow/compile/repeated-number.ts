import { dataTypes, type DataType } from '../binding/data-types.ts';
import type { HostValues } from '../binding/tensors.ts';

/** The number that a large constant repeats, if it does. */
export function repeatedNumber(shape: readonly number[], dtype: DataType, values: HostValues): number | undefined {
  if (values.length < 64 || (dtype !== dataTypes.float32 && dtype !== dataTypes.int32)) return undefined;
  if (values.length !== shape.reduce((product, dim) => product * dim, 1)) return undefined;
  const [first] = values;
  if (typeof first !== 'number') return undefined;
  return isRepeated(values) ? first : undefined;
}

/** Of numbers in memory, whether they equal themselves one further on, which a native comparison tells at once. */
function isRepeated(values: HostValues): boolean {
  if (!ArrayBuffer.isView(values)) return values.every((value) => value === values[0]);
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  const one = values.byteLength / values.length;
  return bytes.subarray(0, -one).equals(bytes.subarray(one));
}
