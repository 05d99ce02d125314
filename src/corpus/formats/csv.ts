import type { ByteSource } from '../byte-source.ts';
import type { Format } from './format.ts';
import { expectText, indexLines, type Line } from './lines.ts';
import { openTable } from './row-shards.ts';
import { shardError } from './shard-access.ts';
import type { Row } from './table.ts';

/** Comma or tab separated values with the fields' names in the first line, quoted as RFC 4180 has it. */
export const csv: Format = {
  name: 'csv',
  detect: ({ name, head }) =>
    /\.(csv|tsv)$/i.test(name) && !/^\s*-?[\d.]+(e[+-]?\d+)?[,\t]/i.test(head.toString('utf8')), // numbers first: a series
  open: (input) =>
    openTable('csv', input, async (source, visit) => {
      const separator = await separatorOf(source, input.signal);
      let names: readonly string[] = [];
      const parse = (line: Line) => rowOf(source.name, line, names, separator);
      const index = await indexLines(source, {
        quoted: true,
        isData: (line, first) => {
          if (!first) return true;
          names = splitRow(expectText(line).replace(/^\uFEFF/, ''), separator) ?? [];
          return false;
        },
        visit: (line) => visit(() => parse(line)),
        signal: input.signal,
      });
      return {
        rows: index.lines,
        async read(first, count, signal) {
          const lines = await index.read(first, count, signal);
          return lines.map((line) => ({ offset: line.offset, row: () => parse(line) }));
        },
      };
    }),
};

/** A tab where the first line has one, else a comma or, if there are more of them, a semicolon. */
async function separatorOf(source: ByteSource, signal?: AbortSignal): Promise<string> {
  const reader = await source.open(signal);
  try {
    const bytes = await reader.read(0, Math.min(source.bytes, 65_536));
    const [first = ''] = Buffer.from(bytes).toString('utf8').split('\n', 1);
    if (first.includes('\t')) return '\t';
    return first.split(';').length > first.split(',').length ? ';' : ',';
  } finally {
    await reader.close();
  }
}

function rowOf(shard: string, line: Line, names: readonly string[], separator: string): Row {
  const { offset } = line;
  const values = splitRow(expectText(line), separator);
  if (!values) throw shardError(shard, offset, 'quotes that are closed', 'one that is not');
  if (values.length !== names.length) throw shardError(shard, offset, `${names.length} fields`, `${values.length}`);
  return Object.fromEntries(names.map((name, i) => [name, valueOf(values[i]!)]));
}

/** Numbers become numbers; everything else stays text. */
const valueOf = (text: string): string | number =>
  /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(text) ? Number(text) : text;

/** The fields of a record; undefined when a quote is not closed. */
export function splitRow(text: string, separator: string): string[] | undefined {
  if (!text.includes('"')) return text.split(separator);
  const fields: string[] = [];
  let at = 0;
  while (at <= text.length) {
    if (text[at] !== '"') {
      const end = text.indexOf(separator, at);
      fields.push(text.slice(at, end < 0 ? text.length : end));
      at = (end < 0 ? text.length : end) + 1;
      continue;
    }
    let close = at + 1;
    while (text[close] !== '"' || text[close + 1] === '"') {
      close += text[close] === '"' ? 2 : 1;
      if (close >= text.length) return undefined;
    }
    const end = text.indexOf(separator, close);
    fields.push(text.slice(at + 1, close).replaceAll('""', '"') + text.slice(close + 1, end < 0 ? text.length : end));
    at = (end < 0 ? text.length : end) + 1;
  }
  return fields;
}
