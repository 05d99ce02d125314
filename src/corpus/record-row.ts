import { endianness } from 'node:os';
import { rowBytes, type ColumnData, type Schema } from '../stream/columns.ts';
import { atSteps, variesInLength } from '../stream/steps.ts';
import type { SampleRows } from '../stream/sample.ts';

/** First bytes of the msgpack that `packSample` writes. */
const FIXARRAY = 0x90;
const MOST_FIELDS = 15;
const FIXSTR = 0xa0;
const LONGEST_FIXSTR = 31;
const STR8 = 0xd9;
const STR16 = 0xda;
const BIN8 = 0xc4;
const BIN16 = 0xc5;
const BIN32 = 0xc6;

const isLittleEndian = endianness() === 'LE';

/** Where a sample's columns lie in a frame: looked up once for many frames. */
export interface FrameLayout {
  readonly names: readonly string[];
  /** Bytes of each column. */
  readonly sizes: readonly number[];
}

/** @returns undefined where frames of this schema cannot be copied: samples have lengths of their own, or many columns */
export function frameLayout(schema: Schema): FrameLayout | undefined {
  const names = Object.keys(schema);
  if (!isLittleEndian || names.length >= MOST_FIELDS || variesInLength(schema)) return undefined;
  return { names, sizes: names.map((name) => rowBytes(atSteps(schema[name]!, 0))) };
}

/**
 * Copies the sample in bytes `[start, end)` into a row, column by column, without making it.
 * @returns its id; undefined where the frame is laid out in another way than `packSample` does, right or wrong: what the
 * row holds is then of no meaning
 */
export function copyFrame(
  bytes: Buffer,
  start: number,
  end: number,
  { names, sizes }: FrameLayout,
  columns: SampleRows['columns'],
  row: number,
): string | undefined {
  if (bytes[start] !== FIXARRAY + names.length + 1) return undefined;
  const idStart = start + 1 + headBytes(bytes, start + 1);
  const idEnd = idStart + stringLength(bytes, start + 1);
  if (!(idEnd <= end)) return undefined;
  let at = idEnd;
  for (let i = 0; i < names.length; i++) {
    const size = sizes[i]!;
    const from = at + headBytes(bytes, at);
    if (binaryLength(bytes, at) !== size || !(from + size <= end)) return undefined;
    bytes.copy(bytesOf(columns[names[i]!]!), row * size, from, from + size);
    at = from + size;
  }
  return at === end ? bytes.toString('utf8', idStart, idEnd) : undefined;
}

/** Bytes before the content of a string or of bytes. */
function headBytes(bytes: Buffer, at: number): number {
  const kind = bytes[at]!;
  if (kind === BIN8 || kind === STR8) return 2;
  if (kind === BIN16 || kind === STR16) return 3;
  return kind === BIN32 ? 5 : 1;
}

/** NaN for anything but a string, or one that is cut short. */
function stringLength(bytes: Buffer, at: number): number {
  const kind = bytes[at]!;
  if (kind >= FIXSTR && kind <= FIXSTR + LONGEST_FIXSTR) return kind - FIXSTR;
  if (kind === STR8) return bytes[at + 1] ?? Number.NaN;
  return kind === STR16 ? bytes[at + 1]! * 2 ** 8 + bytes[at + 2]! : Number.NaN; // NaN beyond the end
}

/** NaN for anything but bytes, or some that are cut short. */
function binaryLength(bytes: Buffer, at: number): number {
  const kind = bytes[at];
  if (kind === BIN8) return bytes[at + 1] ?? Number.NaN;
  if (kind === BIN16) return bytes[at + 1]! * 2 ** 8 + bytes[at + 2]!;
  if (kind !== BIN32) return Number.NaN;
  return ((bytes[at + 1]! * 2 ** 8 + bytes[at + 2]!) * 2 ** 8 + bytes[at + 3]!) * 2 ** 8 + bytes[at + 4]!;
}

/** Columns are filled again and again: their bytes are looked up once. */
const views = new WeakMap<ColumnData, Uint8Array>();

function bytesOf(column: ColumnData): Uint8Array {
  if (column instanceof Uint8Array) return column;
  const known = views.get(column);
  if (known) return known;
  const view = new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
  views.set(column, view);
  return view;
}
