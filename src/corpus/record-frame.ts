import { endianness } from 'node:os';
import { Packr } from 'msgpackr';
import { ShapeError, ShardError, messageOf } from '../errors.ts';
import { allocate, numberBytes, writeRow, type ColumnData, type ColumnSpec, type Schema } from '../stream/columns.ts';
import type { Sample } from '../stream/sample.ts';
import { atSteps, countSteps, hasSteps, stepSize } from '../stream/steps.ts';

/**
 * One sample as msgpack: `[id, bytes of the first column, bytes of the second, …]`, in the order of the schema. A
 * column's bytes are its numbers as they lie in memory, little-endian, so that reading is one copy a column.
 */
const packr = new Packr({ useRecords: false, copyBuffers: false });
const swapBytes = endianness() === 'BE';

const ranges = { int32: [-(2 ** 31), 2 ** 31 - 1], uint8: [0, 255] } as const;

/**
 * Packs a sample. The bytes are borrowed: valid until the next call.
 * @throws {ShapeError} when a column is missing, unknown, of another size, or holds a number that its type cannot
 */
export function packSample(where: string, sample: Sample, schema: Schema): Uint8Array {
  const unknown = Object.keys(sample).find((key) => key !== 'id' && !Object.hasOwn(schema, key));
  if (typeof sample.id !== 'string' || unknown !== undefined)
    throw new ShapeError(
      `${where}: expected a sample of \`id\` (a string) and \`${Object.keys(schema).join('`, `')}\`, got ${unknown === undefined ? `an \`id\` of type ${typeof sample.id}` : `\`${unknown}\``}. ` +
        'Make the samples match `schema`.',
      { unknown },
    );
  const columns = Object.entries(schema).map(([name, spec]) =>
    columnBytes(`${where}: sample \`${sample.id}\`: \`${name}\``, sample[name], spec),
  );
  return packr.pack([sample.id, ...columns]);
}

function columnBytes(where: string, value: Sample[string] | undefined, spec: ColumnSpec): Uint8Array {
  const own = atSteps(spec, hasSteps(spec) ? countSteps(spec, value, where) : 1);
  const row = allocate(own, 1);
  writeRow(row, own, 0, value, where);
  if (spec.type !== 'float32' && !(row.constructor === value?.constructor)) checkWhole(where, value, spec.type);
  return swapped(new Uint8Array(row.buffer), row.BYTES_PER_ELEMENT);
}

/** A typed array would round or wrap such numbers without a word. */
function checkWhole(where: string, value: Sample[string] | undefined, type: 'int32' | 'uint8'): void {
  const [lowest, highest] = ranges[type];
  const numbers = typeof value === 'object' ? value : [Number(value)];
  for (const number of numbers) {
    if (Number.isInteger(number) && number >= lowest && number <= highest) continue;
    throw new ShapeError(
      `${where}: expected whole numbers in [${lowest}, ${highest}] (${type}), got ${number}. Correct it, or use \`float32\`.`,
      { got: number },
    );
  }
}

/** Where a frame lies, for messages. */
export interface FramePlace {
  readonly shard: string;
  /** Byte of the shard at which the frame begins. */
  readonly offset: number;
}

/**
 * Unpacks the sample in bytes `[start, end)`. A scalar column comes back as a number, any other as a typed array.
 * @returns owned by the caller
 * @throws {ShardError} when the bytes are no sample of this schema
 */
export function unpackSample(place: FramePlace, bytes: Uint8Array, start: number, end: number, schema: Schema): Sample {
  const fields = unpackFields(place, bytes, start, end);
  const names = Object.keys(schema);
  if (!Array.isArray(fields) || fields.length !== names.length + 1 || typeof fields[0] !== 'string')
    throw badFrame(place, `an id and ${names.length} columns`, describe(fields));
  const sample: { id: string; [column: string]: string | number | ColumnData } = { id: fields[0] };
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    sample[name] = columnValue(place, name, fields[i + 1], schema[name]!);
  }
  return sample;
}

function unpackFields(place: FramePlace, bytes: Uint8Array, start: number, end: number): unknown {
  try {
    return packr.unpack(bytes, { start, end });
  } catch (cause) {
    throw badFrame(place, 'a msgpack frame', messageOf(cause), cause);
  }
}

function columnValue(place: FramePlace, name: string, field: unknown, spec: ColumnSpec): number | ColumnData {
  const size = stepSize(spec) * numberBytes(spec);
  const fits = (bytes: number) => (hasSteps(spec) ? bytes > 0 && bytes % size === 0 : bytes === size);
  if (!(field instanceof Uint8Array) || !fits(field.length))
    throw badFrame(
      place,
      `${size} bytes ${hasSteps(spec) ? 'a step ' : ''}in \`${name}\``,
      field instanceof Uint8Array ? `${field.length}` : describe(field),
    );
  const values = typedCopy(field, spec);
  return spec.shape.length === 0 ? values[0]! : values;
}

/** Copies bytes, which lie at any address, into an array of their type. */
function typedCopy(bytes: Uint8Array, spec: ColumnSpec): ColumnData {
  const copy = new Uint8Array(bytes); // not `slice`: a Buffer's shares memory
  if (spec.type === 'uint8') return copy;
  swapped(copy, 4);
  return spec.type === 'int32' ? new Int32Array(copy.buffer) : new Float32Array(copy.buffer);
}

/** Turns numbers between this machine's byte order and the file's, in place: nothing to do on nearly every machine. */
function swapped(bytes: Uint8Array, bytesPerNumber: number): Uint8Array {
  if (swapBytes && bytesPerNumber === 4) Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).swap32();
  return bytes;
}

const badFrame = ({ shard, offset }: FramePlace, expected: string, got: string, cause?: unknown) =>
  new ShardError(
    `Shard \`${shard}\` at byte ${offset}: expected ${expected}, got ${got}. The shard is corrupt: fetch or write it again.`,
    { shard, offset, expected, got },
    { cause },
  );

const describe = (value: unknown): string => (Array.isArray(value) ? `${value.length} fields` : typeof value);
