import type { ByteSource } from '../byte-source.ts';
import { shardError } from './shard-access.ts';

const CHUNK_BYTES = 2 ** 20;
/** A record longer than this is taken for a file that is no text. */
const MOST_LINE_BYTES = 64 * 2 ** 20;
/** Records from one mark of an index to the next: 8 bytes of memory for so many. */
const PER_MARK = 64;
const NEWLINE = 10;
const QUOTE = 34;

/** Where the records of a text file begin, every few of them. */
export interface LineIndex {
  readonly source: ByteSource;
  readonly lines: number;
  /** Reads records `[first, first + count)`. */
  read(this: void, first: number, count: number): Promise<readonly Line[]>;
}

/** A record and where it begins. */
export interface Line {
  readonly text: string;
  readonly offset: number;
}

export interface LineOptions {
  /** Whether a line break between double quotes is part of the record, as in CSV. */
  readonly quoted: boolean;
  /** Whether a line is a record: `first` for the first line of the file. */
  isData(this: void, text: string, first: boolean): boolean;
  /** Told each record. */
  visit(this: void, line: Line): void;
  readonly signal: AbortSignal | undefined;
}

/** Goes through a text once, and remembers where its records are. Empty lines are none. */
export async function indexLines(source: ByteSource, options: LineOptions): Promise<LineIndex> {
  const marks: number[] = [];
  let lines = 0;
  let first = true;
  for await (const line of linesOf(source, 0, source.bytes, options.quoted)) {
    if (lines % 1024 === 0) options.signal?.throwIfAborted();
    const isData = options.isData(line.text, first);
    first = false;
    if (!isData) continue;
    if (lines % PER_MARK === 0) marks.push(line.offset);
    options.visit(line);
    lines += 1;
  }
  marks.push(source.bytes);
  return {
    source,
    lines,
    async read(from, count) {
      const mark = Math.floor(from / PER_MARK);
      const end = marks[Math.min(marks.length - 1, Math.ceil((from + count) / PER_MARK))]!;
      const found: Line[] = [];
      let number = mark * PER_MARK;
      for await (const line of linesOf(source, marks[mark]!, end, options.quoted)) {
        if (!options.isData(line.text, false)) continue;
        if (number >= from) found.push(line);
        number += 1;
        if (found.length === count) break;
      }
      if (found.length === count) return found;
      throw shardError(source.name, end, `${count} records from number ${from} on`, `${found.length}`);
    },
  };
}

async function* linesOf(
  source: ByteSource,
  from: number,
  to: number,
  quoted: boolean,
): AsyncGenerator<Line, void, void> {
  const reader = await source.open();
  try {
    let rest: Buffer = Buffer.alloc(0);
    let start = from;
    for (let at = from; at < to; at += CHUNK_BYTES) {
      const chunk = await reader.read(at, Math.min(to, at + CHUNK_BYTES));
      const bytes = Buffer.concat([rest, chunk]);
      const isLast = at + CHUNK_BYTES >= to;
      let begin = 0;
      for (let end = endOfRecord(bytes, 0, quoted); end >= 0; end = endOfRecord(bytes, begin, quoted)) {
        const line = textOf(source.name, bytes, begin, end, start + begin);
        if (line) yield line;
        begin = end + 1;
      }
      rest = bytes.subarray(begin);
      start += begin;
      if (rest.length > MOST_LINE_BYTES)
        throw shardError(source.name, start, `records of at most ${MOST_LINE_BYTES} bytes`, 'a longer one');
      const last = isLast ? textOf(source.name, rest, 0, rest.length, start) : undefined;
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

function textOf(name: string, bytes: Buffer, begin: number, end: number, offset: number): Line | undefined {
  const stop = bytes[end - 1] === 13 ? end - 1 : end; // Windows' line ends
  if (stop <= begin) return undefined;
  try {
    const text = utf8.decode(bytes.subarray(begin, stop));
    return text.trim() === '' ? undefined : { text, offset };
  } catch (cause) {
    throw shardError(name, offset, 'UTF-8 text', 'other bytes', {}, cause);
  }
}
