import { CorpusError, ShardError } from '../../errors.ts';
import type { Format } from './format.ts';
import { expectText, indexLines, type Line, type LineIndex } from './lines.ts';
import { shardError } from './shard-access.ts';

/**
 * Time series: UCR's text files (a line is a class, then the values) and `.ts` files (a line is the channels, parted by
 * `:`, their values by `,`, then the class; directives begin with `@`, remarks with `#`).
 *
 * Columns: `x` float32 [T, channels] and `y`, the class. Where lengths differ the time axis is as long as each series;
 * with `lengths: 'padded'` T is the longest, shorter series are filled up with 0 at their end, and `length` tells how far
 * they go.
 */
export const series: Format = {
  name: 'series',
  detect: ({ name, head }) => {
    const text = head.toString('utf8');
    if (/\.ts$/i.test(name)) return /^\s*[#@]/.test(text);
    return (
      /\.(tsv|txt|csv)$/i.test(name) &&
      /^\s*-?\d[\d.]*(e[+-]?\d+)?([\t,]|\s+)\s*(-?\d[\d.e+-]*|nan)([\t,]|\s+)/i.test(text)
    );
  },
  async open({ where, sources, options, skipsBad, signal }) {
    const facts = new Facts();
    const indexes: LineIndex[] = [];
    for (const source of sources)
      indexes.push(
        await indexLines(source, {
          quoted: false,
          isData: ({ text }) => !/^\s*[@#]/.test(text),
          visit: (line) => {
            try {
              facts.note(source.name, line);
            } catch (error) {
              if (!skipsBad || !(error instanceof ShardError)) throw error; // it is left out and counted when it is read
            }
          },
          signal,
        }),
      );
    if (facts.longest === 0) throw new CorpusError(`${where}: expected time series, got none. Check the files.`);
    const names = facts.names();
    const numbers = new Map(names.map((name, i) => [name, i]));
    const { longest, channels } = facts;
    const varies = facts.shortest !== longest;
    const isPadded = options.lengths === 'padded';
    return {
      format: 'series',
      schema: {
        x: { type: 'float32', shape: [varies && !isPadded ? null : longest, channels] },
        y: { type: 'int32', shape: [] },
        ...(varies && isPadded && { length: { type: 'int32', shape: [] } }),
      },
      classes: { y: names.length },
      classNames: { y: names },
      shards: indexes.map(({ source, lines, read }) => ({
        name: source.name,
        bytes: source.bytes,
        samples: lines,
        async read(first, count, stop) {
          const found = await read(first, count, stop);
          return {
            count,
            sample: (i: number) => {
              const { values, label } = parse(source.name, found[i]!, channels);
              const steps = values[0]!.length;
              const x = new Float32Array((isPadded ? longest : steps) * channels); // [T, channels]
              values.forEach((own, channel) => own.forEach((value, t) => (x[t * channels + channel] = value)));
              return {
                id: `${source.name}:${first + i}`,
                x,
                y: numbers.get(label) ?? -1,
                ...(varies && isPadded && { length: steps }),
              };
            },
          };
        },
      })),
    };
  },
};

interface Series {
  /** [channels][T] */
  readonly values: readonly (readonly number[])[];
  readonly label: string;
}

/** Lengths, channels and classes over all files. */
class Facts {
  longest = 0;
  shortest = Infinity;
  channels = 0;
  readonly #labels = new Set<string>();

  note(shard: string, line: Line): void {
    const { values, label } = parse(shard, line, this.channels);
    this.channels = values.length;
    this.longest = Math.max(this.longest, values[0]!.length);
    this.shortest = Math.min(this.shortest, values[0]!.length);
    this.#labels.add(label);
  }

  /** Classes as they are named, numbers by size. */
  names(): string[] {
    const names = [...this.#labels];
    const numeric = names.every((name) => Number.isFinite(Number(name)));
    return names.toSorted((a, b) => (numeric ? Number(a) - Number(b) : a < b ? -1 : 1));
  }
}

/** @param expected channels that it must have; 0 while that is not known */
function parse(shard: string, line: Line, expected: number): Series {
  const { offset } = line;
  const text = expectText(line);
  const isTs = text.includes(':');
  const pieces = isTs ? text.split(':') : text.trim().split(/ *[\t,] *|\s+/);
  const label = (isTs ? pieces.at(-1)! : pieces[0]!).trim();
  const channels = isTs ? pieces.slice(0, -1).map((channel) => channel.split(',')) : [pieces.slice(1)];
  if (label === '') throw shardError(shard, offset, 'a class', 'none');
  const values = channels.map((channel) => channel.map(numberOf));
  const length = values[0]?.length ?? 0;
  if (length === 0 || values.some((own) => own.length !== length))
    throw shardError(
      shard,
      offset,
      'channels of one length and a class',
      `lengths ${values.map((own) => own.length).join(', ')}`,
    );
  for (const [channel, own] of values.entries()) {
    const bad = own.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) throw shardError(shard, offset, 'numbers', JSON.stringify(channels[channel]![bad]));
  }
  if (expected > 0 && values.length !== expected)
    throw shardError(shard, offset, `${expected} channels`, `${values.length}`);
  return { values, label: Number.isFinite(Number(label)) ? String(Number(label)) : label };
}

/** Missing values, which the archives write as `?` or NaN, are 0 as padding is: series are normalised about it. */
function numberOf(text: string): number {
  const value = Number(text); // 0 for a blank, too, which is no number here
  if (value !== 0 && !Number.isNaN(value)) return value;
  if (value === 0) return text.trim() === '' ? Number.NaN : value;
  return /^\s*(\?|nan)\s*$/i.test(text) ? 0 : value;
}
