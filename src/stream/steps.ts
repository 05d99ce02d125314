import { ShapeError } from '../errors.ts';
import { describeValue, isNumbers, type ColumnSpec, type FixedSpec, type Schema } from './columns.ts';

/**
 * Columns with a time axis, of as many steps as each sample has. They are padded with zeros to one length when samples
 * come together in a buffer, and then a mask tells the real steps.
 */
export const hasSteps = ({ shape }: ColumnSpec): boolean => shape[0] === null;

/** Whether samples of this schema have lengths of their own. */
export const variesInLength = (schema: Schema): boolean =>
  Object.values(schema).some(({ shape }) => shape.includes(null));

/** Numbers in one step of a column with a time axis; in one row of any other. */
export const stepSize = ({ shape }: ColumnSpec): number =>
  shape.reduce<number>((product, axis) => product * (axis ?? 1), 1);

/** The column at a length: its time axis, if it has one, is `steps` long. */
export const atSteps = ({ type, shape }: ColumnSpec, steps: number): FixedSpec => ({
  type,
  shape: shape.map((axis) => axis ?? steps),
});

/**
 * The columns of a buffer. Where lengths vary there is a `mask`, float32 [T], which is 0 in padded steps: the corpus' own
 * weights of the steps if it has that column, 1 else. In the first case `steps` tells the real steps, too, for a step of
 * weight 0 is still part of the sequence.
 */
export function bufferSchema(schema: Schema): Schema {
  if (!variesInLength(schema)) return schema;
  const real = { [realSteps(schema)]: { type: 'float32', shape: [null] } } as const;
  return { ...schema, ...real };
}

/** The column of a buffer that is 1 in real steps and 0 in padded ones; only where lengths vary. */
export const realSteps = (schema: Schema): 'mask' | 'steps' => ('mask' in schema ? 'steps' : 'mask');

/**
 * How many steps a value of a column with a time axis has.
 * @throws {ShapeError} when it has none, or not a whole number of them
 */
export function countSteps(spec: ColumnSpec, value: unknown, where: string): number {
  const size = stepSize(spec);
  const numbers = typeof value === 'number' ? 1 : isNumbers(value) ? value.length : 0;
  if (numbers > 0 && numbers % size === 0) return numbers / size;
  throw new ShapeError(
    `${where}: expected ${size === 1 ? 'a number' : `${size} numbers`} a step (${spec.type} [${shapeText(spec)}]), of at least one step, got ${describeValue(value)}. ` +
      'Make the sample match the schema of its corpus, and leave out samples without a step.',
    { expected: spec.shape, got: describeValue(value) },
  );
}

/** A shape for people: a time axis is `T`. */
export const shapeText = ({ shape }: ColumnSpec): string => shape.map((axis) => axis ?? 'T').join(', ');
