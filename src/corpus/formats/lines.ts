import type { ByteSource } from '../byte-source.ts';
import type { ShardError } from '../../errors.ts';
import { shardError } from './shard-access.ts';

const CHUNK_BYTES = 2 ** 20;
/** A record longer than this is taken for a file that is no text. */
const MOST_LINE_BYTES = 64 * 2 ** 20;
/** Records from one mark of an index to the next: some tens of bytes of memory for so many. */
const PER_MARK = 64;
const NEWLINE = 10;
const QUOTE = 34;

/** Where the records of a text file begin, every few of them. */
export interface LineIndex {
  readonly source: ByteSource;
  readonly lines: number;
  /** Reads records `[first, first + count)`. */
  read(this: void, first: number, count: number, signal?: AbortSignal): Promise<readonly Line[]>;
}

/** A record and where it begins. */
export interface Line {
  readonly text: string;
  readonly offset: number;
  /** Number in the file of its first line, from 1. */
  readonly number: number;
  /** Why its text is not what it should be: the bytes are not UTF-8. */
  readonly error?: ShardError;
}

/** The text of a record. @throws {ShardError} when its bytes are not UTF-8 */
export function expectText({ text, error }: Line): string {
  if (error) throw error;
  return text;
}

export interface LineOptions {
  /** Whether a line break between double quotes is part of the record, as in CSV. */
  readonly quoted: boolean;
  /** Whether a line is a record: `first` for the first line of the file. */
  isData(this: void, line: Line, first: boolean): boolean;
  /** Told each record. */
  visit(this: void, line: Line): void;
  readonly signal: AbortSignal | undefined;
}

/** Goes through a text once, and remembers where its records are. Empty lines are none. */
export async function indexLines(source: ByteSource, options: LineOptions): Promise<LineIndex> {
  const marks: Mark[] = [];
  const whole = { from: { offset: 0, number: 1 }, to: source.bytes };
  let lines = 0;
  let first = true;
  for await (const line of linesOf(source, whole, options.quoted, options.signal)) {
    if (lines % 1024 === 0) options.signal?.throwIfAborted();
    const isData = options.isData(line, first);
    first = false;
    if (!isData) continue;
    if (lines % PER_MARK === 0) marks.push({ offset: line.offset, number: line.number });
    options.visit(line);
    lines += 1;
  }
  marks.push({ offset: source.bytes, number: 0 });
  return {
    source,
    lines,
    async read(from, count, signal) {
      const mark = Math.floor(from / PER_MARK);
      const end = marks[Math.min(marks.length - 1, Math.ceil((from + count) / PER_MARK))]!.offset;
      const found: Line[] = [];
      let number = mark * PER_MARK;
      for await (const line of linesOf(source, { from: marks[mark]!, to: end }, options.quoted, signal)) {
        if (!options.isData(line, false)) continue;
        if (number >= from) found.push(line);
        number += 1;
        if (found.length === count) break;
      }
      if (found.length === count) return found;
      throw shardError(source.name, end, `${count} records from number ${from} on`, `${found.length}`);
    },
  };
}

/** Where a record begins. */
type Mark = Pick<Line, 'offset' | 'number'>;

async function* linesOf(
  source: ByteSource,
  { from: { offset: from, number }, to }: { readonly from: Mark; readonly to: number },
  quoted: boolean,
  signal?: AbortSignal,
): AsyncGenerator<Line, void, void> {
  const reader = await source.open(signal);
  try {
    let rest: Buffer = Buffer.alloc(0);
    let start = from;
    for (let at = from; at < to; at += CHUNK_BYTES) {
      const chunk = await reader.read(at, Math.min(to, at + CHUNK_BYTES));
      const bytes = Buffer.concat([rest, chunk]);
      const isLast = at + CHUNK_BYTES >= to;
      let begin = 0;
      for (let end = endOfRecord(bytes, 0, quoted); end >= 0; end = endOfRecord(bytes, begin, quoted)) {
        const line = textOf(source.name, bytes.subarray(begin, end), { offset: start + begin, number });
        if (line) yield line;
        number += quoted ? linesIn(bytes, begin, end) : 1;
        begin = end + 1;
      }
      rest = bytes.subarray(begin);
      start += begin;
      if (rest.length > MOST_LINE_BYTES)
        throw shardError(source.name, start, `records of at most ${MOST_LINE_BYTES} bytes`, 'a longer one');
      const last = isLast ? textOf(source.name, rest, { offset: start, number }) : undefined;
      if (last) yield last;
    }
  } finally {
    await reader.close();
  }
}

/** Where the record that begins at `begin` ends; -1 if its end is not there yet. */
function endOfRecord(bytes: Buffer, begin: number, quoted: boolean): number {
  let end = bytes.indexOf(NEWLINE, begin);
  if (!quoted) return end;
  let quote = bytes.indexOf(QUOTE, begin);
  while (end >= 0 && quote >= 0 && quote < end) {
    const closing = bytes.indexOf(QUOTE, quote + 1);
    if (closing < 0) return -1;
    if (closing > end) end = bytes.indexOf(NEWLINE, closing);
    quote = bytes.indexOf(QUOTE, closing + 1);
  }
  return end;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Lines that a record takes whose end is the line break at `end`. */
function linesIn(bytes: Buffer, begin: number, end: number): number {
  let lines = 1;
  for (let at = bytes.indexOf(NEWLINE, begin); at >= 0 && at < end; at = bytes.indexOf(NEWLINE, at + 1)) lines += 1;
  return lines;
}

/** @param bytes of the record, without its line break */
function textOf(name: string, bytes: Buffer, { offset, number }: Mark): Line | undefined {
  const content = bytes.at(-1) === 13 ? bytes.subarray(0, -1) : bytes; // Windows' line ends
  if (content.length === 0) return undefined;
  try {
    const text = utf8.decode(content);
    return text.trim() === '' ? undefined : { text, offset, number };
  } catch (cause) {
    const error = shardError(name, offset, `UTF-8 text in line ${number}`, 'other bytes', { line: number }, cause);
    return { text: content.toString('latin1'), offset, number, error };
  }
}
