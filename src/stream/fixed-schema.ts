import { ShapeError } from '../errors.ts';
import type { FixedSpec, Schema } from './columns.ts';
import { shapeText } from './steps.ts';

/**
 * A schema whose rows are all of one size.
 * @throws {ShapeError} when samples have lengths of their own
 */
export function fixedSchema(schema: Schema, where: string): Readonly<Record<string, FixedSpec>> {
  return Object.fromEntries(
    Object.entries(schema).map(([name, spec]) => {
      const shape = spec.shape.filter((axis) => axis !== null);
      if (shape.length === spec.shape.length) return [name, { ...spec, shape }];
      throw new ShapeError(
        `${where}: expected samples of one size, got column \`${name}\` of [${shapeText(spec)}]. Cut or pad the samples to one length.`,
        { column: name },
      );
    }),
  );
}
