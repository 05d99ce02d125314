import { CorpusError, LabelError, ShapeError } from '../../errors.ts';
import type { ColumnData, ColumnSpec, Schema } from '../../stream/columns.ts';
import type { Sample } from '../../stream/sample.ts';
import type { Classes } from '../labels.ts';
import type { Tokenizer } from '../tokenizer.ts';
import { decodeImage, imageSpec, type ImageDecoding } from './image.ts';
import type { FieldFacts, Survey } from './survey.ts';
import type { ColumnRule, Row, RowPlace, TableOptions } from './table.ts';

/** One column of a table, or several that come from one field. */
export interface Column {
  readonly schema: Schema;
  readonly classes?: Classes;
  readonly classNames?: Readonly<Record<string, readonly string[]>>;
  readonly fields: readonly string[];
  readonly decodes?: boolean;
  /** Puts the row's values into a sample. */
  fill(this: void, row: Row, place: RowPlace, sample: Filling): Promise<void> | undefined;
}
type Filling = { [column: string]: Sample[string] };

export interface ColumnRequest {
  readonly where: string;
  readonly name: string;
  readonly rule: ColumnRule;
  readonly survey: Survey;
  readonly options: TableOptions & ImageDecoding;
  readonly tokenizer: Tokenizer;
  /** Whether there is no target but the text's own next token. */
  readonly isOnly: boolean;
}

/** Makes a column by its rule. @throws {CorpusError} when the fields do not hold what the rule says */
export function columnOf(request: ColumnRequest): Column {
  const fields = [request.rule.from ?? request.name].flat();
  for (const field of fields)
    if (!request.survey.field(field))
      throw new CorpusError(
        `${request.where}: expected a field \`${field}\` for column \`${request.name}\`, got the fields \`${[...request.survey.fields.keys()].join('`, `')}\`. Name one of these.`,
        { field },
      );
  const facts = fields.map((field) => request.survey.field(field)!);
  if (request.rule.kind === 'number') return numberColumn(request, facts);
  if (facts.length > 1)
    throw new CorpusError(
      `${request.where}: expected one field for the ${request.rule.kind} column \`${request.name}\`, got ${facts.length}. Name one.`,
    );
  if (request.rule.kind === 'class') return classColumn(request, facts[0]!);
  return request.rule.kind === 'text' ? textColumn(request, facts[0]!) : imageColumn(request, facts[0]!);
}

function imageColumn({ name, options }: ColumnRequest, { name: field }: FieldFacts): Column {
  return {
    schema: { [name]: imageSpec(options.image) },
    fields: [field],
    decodes: true,
    fill: async (row, place, sample) => {
      const bytes = row[field];
      if (!(bytes instanceof Uint8Array)) throw notA(place, field, 'the bytes of an image', bytes);
      sample[name] = await decodeImage(bytes, options, place, name === 'x' ? place.pass : undefined);
    },
  };
}

function classColumn(
  { name, rule }: ColumnRequest,
  { name: field, kinds, whole, largest, values }: FieldFacts,
): Column {
  const { classes } = rule;
  const schema: Schema = { [name]: { type: 'int32', shape: [] } };
  if (typeof classes === 'number' || (!classes && whole && !kinds.has('string'))) {
    const count = typeof classes === 'number' ? classes : largest + 1;
    const fill = (row: Row, place: RowPlace, sample: Filling) => {
      const value = classNumber(row[field]);
      if (!Number.isInteger(value)) throw notA(place, field, 'a class number', row[field]);
      sample[name] = value; // whether it is one of the classes is checked for every format alike
      return undefined;
    };
    return { schema, classes: { [name]: count }, fields: [field], fill };
  }
  const names = classes ?? [...values].toSorted((a, b) => (a < b ? -1 : 1));
  const numbers = new Map(names.map((value, i) => [value, i]));
  return {
    schema,
    classes: { [name]: names.length },
    classNames: { [name]: names },
    fields: [field],
    fill: (row, place, sample) => {
      const number = numbers.get(textOf(row[field]));
      if (number === undefined)
        throw new LabelError(
          `Sample \`${place.id}\`: expected one of ${names.length} classes in \`${field}\`, got ${JSON.stringify(textOf(row[field]))}. Correct the label, or name more \`classes\`.`,
          { id: place.id, column: name },
        );
      sample[name] = number;
      return undefined;
    },
  };
}

/** NaN for what is no number: nothing at all would be taken for 0, a list of one for what is in it. */
const classNumber = (value: unknown): number => (textOf(value).trim() === '' ? Number.NaN : Number(value));

const textOf = (value: unknown): string => {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean' ? String(value) : '';
};

function numberColumn(request: ColumnRequest, facts: readonly FieldFacts[]): Column {
  const { where, name } = request;
  const fields = facts.map((fact) => fact.name);
  const hasArrays = facts.some(({ kinds }) => kinds.has('numbers') || kinds.has('bytes'));
  if (hasArrays && facts.length === 1) return arrayColumn(request, facts[0]!);
  if (hasArrays)
    throw new CorpusError(
      `${where}: expected one number a row in each of \`${fields.join('`, `')}\` for column \`${name}\`, got arrays. Name one field.`,
      { fields },
    );
  const shape = facts.length === 1 ? [] : [facts.length];
  return {
    schema: { [name]: { type: 'float32', shape } },
    fields,
    fill: (row, place, sample) => {
      const data = new Float32Array(fields.length);
      fields.forEach((field, i) => put(data, i, row[field], place, field));
      sample[name] = shape.length === 0 ? data[0]! : data;
      return undefined;
    },
  };
}

/** Arrays of numbers; where they are of several lengths the first axis is time, as long as each is, or filled up. */
function arrayColumn({ where, name, options }: ColumnRequest, { name: field, kinds, shape }: FieldFacts): Column {
  if (!shape)
    throw new CorpusError(
      `${where}: expected numbers of one shape in \`${field}\` for column \`${name}\`, or that differ in their first axis, got others. Make the other axes alike.`,
      { fields: [field] },
    );
  const { shortest, longest, inner } = shape;
  const varies = shortest !== longest;
  const isPadded = options.lengths === 'padded';
  const type = kinds.has('bytes') && !kinds.has('numbers') ? 'uint8' : 'float32';
  const spec: ColumnSpec = { type, shape: [varies && !isPadded ? null : longest, ...inner] };
  const stepSize = inner.reduce((product, axis) => product * axis, 1);
  const lengthName = name === 'x' ? 'length' : `${name}Length`;
  const expected = `numbers of shape [${[varies ? 'T' : longest, ...inner].join(', ')}]`;
  return {
    schema: { [name]: spec, ...(varies && isPadded && { [lengthName]: { type: 'int32', shape: [] } }) },
    fields: [field],
    fill: (row, place, sample) => {
      const value = row[field];
      const steps = isArray(value) ? value.length : 0;
      if (steps < Math.max(1, shortest) || steps > longest || !fits(value, [steps, ...inner]))
        throw notA(place, field, expected, value);
      const size = (isPadded ? longest : steps) * stepSize;
      const data: ColumnData = type === 'uint8' ? new Uint8Array(size) : new Float32Array(size);
      put(data, 0, value, place, field);
      sample[name] = data;
      if (varies && isPadded) sample[lengthName] = steps;
      return undefined;
    },
  };
}

const isArray = (value: unknown): value is ArrayLike<unknown> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value);

/** Whether nested arrays have this shape; what they hold is looked at when it is written. */
function fits(value: unknown, [axis, ...inner]: readonly number[]): boolean {
  if (axis === undefined) return !isArray(value);
  if (!isArray(value) || value.length !== axis) return false;
  return ArrayBuffer.isView(value) ? inner.length === 0 : Array.from(value).every((item) => fits(item, inner));
}

/** Writes numbers, nested or not. @returns where the next ones go */
function put(data: ColumnData, at: number, value: unknown, place: RowPlace, field: string): number {
  if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    for (const item of value as Iterable<unknown>) at = put(data, at, item, place, field);
    return at;
  }
  const number = value === null || value === undefined || value === '' ? Number.NaN : Number(value);
  if (!Number.isFinite(number)) throw notA(place, field, 'a finite number', value);
  data[at] = number;
  return at + 1;
}

function textColumn({ name, options, tokenizer, isOnly }: ColumnRequest, { name: field }: FieldFacts): Column {
  const { textLength, truncate } = options;
  const isPadded = options.lengths !== 'own';
  const spec: ColumnSpec = { type: 'int32', shape: [isPadded ? textLength : null] };
  const text = (row: Row, place: RowPlace, room: number) => {
    const value = row[field] instanceof Uint8Array ? Buffer.from(row[field]).toString('utf8') : row[field];
    if (typeof value !== 'string') throw notA(place, field, 'a text', value);
    const ids = tokenizer.encode(value);
    if (ids.length > room && truncate === 'error')
      throw notA(place, field, `at most ${room} tokens (\`textLength\`)`, `${ids.length}`);
    const from = ids.length > room && truncate === 'start' ? ids.length - room : 0;
    const kept = new Int32Array(Math.min(room, ids.length));
    for (let i = 0; i < kept.length; i++) kept[i] = ids[from + i]!;
    return kept;
  };
  const padded = (ids: Int32Array) => {
    if (!isPadded) return ids;
    const row = new Int32Array(textLength).fill(tokenizer.pad);
    row.set(ids);
    return row;
  };
  if (isOnly)
    return {
      schema: { x: spec, y: spec, ...(isPadded && { mask: { type: 'float32', shape: [textLength] } }) },
      classes: { y: tokenizer.size },
      fields: [field],
      fill: (row, place, sample) => {
        const ids = text(row, place, textLength + 1);
        if (ids.length < 2) throw notA(place, field, 'at least 2 tokens: one and the next', `${ids.length}`);
        sample['x'] = padded(ids.subarray(0, -1));
        sample['y'] = padded(ids.subarray(1));
        if (isPadded) sample['mask'] = new Float32Array(textLength).fill(1, 0, ids.length - 1);
        return undefined;
      },
    };
  const lengthName = name === 'x' ? 'length' : `${name}Length`;
  return {
    schema: { [name]: spec, ...(isPadded && { [lengthName]: { type: 'int32', shape: [] } }) },
    fields: [field],
    fill: (row, place, sample) => {
      const ids = text(row, place, textLength);
      if (!isPadded && ids.length === 0) throw notA(place, field, 'at least one token', '');
      sample[name] = padded(ids);
      if (isPadded) sample[lengthName] = ids.length;
      return undefined;
    },
  };
}

const notA = ({ id, shard, offset }: RowPlace, field: string, expected: string, got: unknown) =>
  new ShapeError(
    `Sample \`${id}\`: expected ${expected} in \`${field}\`, got ${describe(got)}. Correct the row, or leave bad samples out with \`onBadSample: 'skip'\`.`,
    { id, shard, offset, field },
  );

const describe = (value: unknown): string => {
  if (value === null || value === undefined) return 'nothing';
  return typeof value === 'object'
    ? `an ${Array.isArray(value) ? 'array' : 'object'}`
    : (JSON.stringify(value)?.slice(0, 60) ?? typeof value);
};
