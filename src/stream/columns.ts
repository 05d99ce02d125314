import { ShapeError } from '../errors.ts';

/** The number types a column may have. `int32` holds labels and token ids, `uint8` raw pixels. */
export type ColumnType = 'float32' | 'int32' | 'uint8';

/** The values of a column, row after row, without gaps. */
export type ColumnData = Float32Array | Int32Array | Uint8Array;

/** What one sample holds in a column. A scalar (a class label) has the shape `[]`. */
export interface ColumnSpec {
  readonly type: ColumnType;
  /** Shape of one sample, without the batch axis. A first axis of `null` is time: each sample has steps of its own. */
  readonly shape: readonly (number | null)[];
}

/** A column whose rows are all of one size. */
export interface FixedSpec extends ColumnSpec {
  readonly shape: readonly number[];
}

/**
 * A corpus' columns by name. `x` is the model's input, `y` its target, `mask` (if any) the weight of each time step.
 * Columns with a time axis of `null` share it: in each sample they have equally many steps.
 */
export type Schema = Readonly<Record<string, ColumnSpec>>;

/** A batch of rows: `data` holds `shape[0]` rows of `shape.slice(1)`. */
export interface Column {
  readonly type: ColumnType;
  readonly shape: readonly number[];
  readonly data: ColumnData;
}

const constructors = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array } as const;

/** Numbers in one row of a column. */
export const rowSize = (spec: FixedSpec): number => spec.shape.reduce((product, axis) => product * axis, 1);

/** Bytes in one number of a column. */
export const numberBytes = (spec: ColumnSpec): number => constructors[spec.type].BYTES_PER_ELEMENT;

/** Allocates zeroed storage for `rows` rows. */
export const allocate = (spec: FixedSpec, rows: number): ColumnData =>
  new constructors[spec.type](rows * rowSize(spec));

/**
 * Copies rows of a column into fresh storage: row `i` of the result is row `picks[i]` of `column`.
 * @returns owned by the caller
 */
export function gatherRows(column: Column, picks: ArrayLike<number>): Column {
  const spec = { type: column.type, shape: column.shape.slice(1) };
  const size = rowSize(spec);
  const data = allocate(spec, picks.length);
  for (let i = 0; i < picks.length; i++) {
    const from = picks[i]! * size;
    data.set(column.data.subarray(from, from + size), i * size);
  }
  return { type: column.type, shape: [picks.length, ...spec.shape], data };
}

/**
 * Writes one sample's value into row `row` of `data`.
 * @throws {ShapeError} when the value does not have the numbers that the spec asks for
 */
export function writeRow(data: ColumnData, spec: FixedSpec, row: number, value: unknown, where: string): void {
  const size = rowSize(spec);
  if (typeof value === 'number' && size === 1) data[row] = value;
  else if (isNumbers(value) && value.length === size) data.set(value, row * size);
  else
    throw new ShapeError(
      `${where}: expected ${size === 1 ? 'a number' : `${size} numbers`} (${spec.type} [${spec.shape.join(', ')}]), got ${describeValue(value)}. ` +
        'Make the sample match the schema of its corpus.',
      { expected: spec.shape, got: describeValue(value) },
    );
}

export const isNumbers = (value: unknown): value is ArrayLike<number> =>
  (ArrayBuffer.isView(value) && !(value instanceof DataView)) || Array.isArray(value);

/** What a value is, for messages. */
export const describeValue = (value: unknown): string => {
  if (isNumbers(value)) return `${value.length} numbers`;
  return value === undefined ? 'nothing' : typeof value;
};
