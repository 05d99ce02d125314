import { ShardError, messageOf } from '../../errors.ts';
import type { Format } from './format.ts';
import { expectText, indexLines, type Line } from './lines.ts';
import { openTable } from './row-shards.ts';
import type { Row } from './table.ts';

/** One JSON object a line. */
export const jsonLines: Format = {
  name: 'jsonl',
  detect: ({ name, head }) =>
    /\.(jsonl|ndjson|jsonlines)$/i.test(name) ||
    (/\.json$/i.test(name) && /^\s*\{[^\n]*\}\s*\n\s*\{/.test(head.toString('utf8'))),
  open: (input) =>
    openTable('jsonl', input, async (source, visit) => {
      const index = await indexLines(source, {
        quoted: false,
        isData: () => true,
        visit: (line) => visit(() => parse(source.name, line)),
        signal: input.signal,
      });
      return {
        rows: index.lines,
        async read(first, count, signal) {
          const lines = await index.read(first, count, signal);
          return lines.map((line) => ({ offset: line.offset, row: () => parse(source.name, line) }));
        },
      };
    }),
};

function parse(shard: string, line: Line): Row {
  const { offset } = line;
  const text = expectText(line);
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Row;
    throw new Error(Array.isArray(value) ? 'an array' : typeof value);
  } catch (cause) {
    const got = messageOf(cause);
    throw new ShardError(
      `Shard \`${shard}\` at byte ${offset}: expected a JSON object on one line, got ${got}. Correct the line, or leave bad samples out with \`onBadSample: 'skip'\`.`,
      { shard, offset },
      { cause },
    );
  }
}
