import { LabelError } from '../errors.ts';
import type { Schema } from '../stream/columns.ts';
import type { Sample, SampleRows } from '../stream/sample.ts';
import { stepSize } from '../stream/steps.ts';

/** Classes of integer columns, by column. */
export type Classes = Readonly<Record<string, number>>;

/**
 * Checks that every label of a sample is one of its column's classes.
 * @throws {LabelError} naming the sample
 */
export function checkLabels(where: string, sample: Sample, classes: Classes): void {
  for (const column in classes) {
    const count = classes[column]!;
    const value = sample[column];
    if (typeof value === 'number') checkLabel(where, sample.id, column, value, count);
    else if (typeof value === 'object') for (const label of value) checkLabel(where, sample.id, column, label, count);
  }
}

/**
 * The same for a sample that was written into a row of columns.
 * @throws {LabelError} naming the sample
 */
export function checkRow(
  where: string,
  id: string,
  { schema, classes }: { readonly schema: Schema; readonly classes: Classes },
  columns: SampleRows['columns'],
  row: number,
): void {
  for (const column in classes) {
    const count = classes[column]!;
    const size = stepSize(schema[column]!);
    const data = columns[column]!;
    for (let at = row * size; at < (row + 1) * size; at++) checkLabel(where, id, column, data[at]!, count);
  }
}

function checkLabel(where: string, id: string, column: string, label: number, classes: number): void {
  if (label >= 0 && label < classes && label === Math.trunc(label)) return;
  throw new LabelError(
    `${where}: sample \`${id}\`: expected a label in [0, ${classes}) in \`${column}\`, got ${label}. ` +
      'Correct the label, or raise the number of `classes`.',
    { id, column, classes, got: label },
  );
}
