import { z } from 'zod';
import { CorpusError } from '../../errors.ts';
import type { Schema } from '../../stream/columns.ts';
import type { Sample } from '../../stream/sample.ts';
import type { Classes } from '../labels.ts';
import type { Tokenizer } from '../tokenizer.ts';
import { columnOf, type Column } from './table-columns.ts';
import type { Pass } from '../augment/augment.ts';
import type { ImageDecoding } from './image.ts';
import { guessRules, type Survey } from './survey.ts';

/** A row of a table, as its format reads it. */
export type Row = Readonly<Record<string, unknown>>;

const isTokenizer = (value: unknown): value is Tokenizer =>
  typeof value === 'object' &&
  value !== null &&
  'encode' in value &&
  typeof value.encode === 'function' &&
  'size' in value;

export const ColumnRule = z.strictObject({
  /** The field, or the fields whose numbers stand side by side. @default the column's own name */
  from: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).optional(),
  /** `number` keeps numbers, `class` numbers the values, `text` gives tokens, `image` decodes. */
  kind: z.enum(['number', 'class', 'text', 'image']),
  /** Names of the classes in order, or how many whole numbers there are. @default every value there is, in order */
  classes: z.union([z.array(z.string()).min(1), z.int().min(1)]).optional(),
});
export type ColumnRule = z.output<typeof ColumnRule>;

export const TableOptions = z.strictObject({
  /** Which fields become which columns. @default `x` from text, image or numbers, `y` from a field like `label` */
  columns: z.record(z.string().regex(/^[A-Za-z_]\w*$/, { error: 'must be a plain name' }), ColumnRule).optional(),
  /** How text becomes numbers. @default 'byte' */
  tokenizer: z
    .union([z.enum(['byte', 'character', 'word']), z.custom<Tokenizer>(isTokenizer, { error: 'must be a tokenizer' })])
    .default('byte'),
  /** Most ids of a `character` or `word` tokenizer. @default 20,000 – guess */
  vocabularyLimit: z.int().min(3).default(20_000),
  /**
   * Samples of different lengths: each has its `own`, and a buffer is padded when it is filled, or all are `padded` to
   * one, `textLength` or the longest of the series or arrays. @default 'own' for series and arrays, 'padded' for text
   */
  lengths: z.enum(['own', 'padded']).optional(),
  /** Tokens of a text, T: shorter ones are padded (or not, see `lengths`), longer ones cut. @default 256 – guess */
  textLength: z.int().min(1).default(256),
  /** What of a text that is too long is left out, or whether it is a bad sample. @default 'end' */
  truncate: z.enum(['end', 'start', 'error']).default('end'),
});
export type TableOptions = z.output<typeof TableOptions>;

/** Turns rows into samples. */
export interface Table {
  readonly schema: Schema;
  readonly classes: Classes;
  readonly classNames: Readonly<Record<string, readonly string[]>>;
  /** Fields that are looked at. */
  readonly fields: readonly string[];
  /** Whether samples are made in other threads. */
  readonly decodes: boolean;
  /** @returns owned by the caller */
  sample(row: Row, place: RowPlace): Sample | Promise<Sample>;
}

/** Where a row lies, for messages. */
export interface RowPlace {
  readonly id: string;
  readonly shard: string;
  readonly offset: number;
  /** Given where the sample's pictures are to be augmented. */
  readonly pass?: Pass | undefined;
}

/**
 * Makes a table of surveyed rows. Without rules they are guessed: `y` from a field named `label`, `class`, `target` or
 * `y`; `x` from `text`, `image` or `x`, else from all fields that hold one number. Text without a `y` gets the tokens one
 * step later as `y`, and a `mask` of the steps that are no padding.
 */
export function tableOf(where: string, survey: Survey, options: TableOptions & ImageDecoding): Table {
  const rules = options.columns ?? guessRules(where, survey);
  const tokenizer = survey.tokenizer(options);
  const columns = Object.entries(rules).map(([name, rule]) =>
    columnOf({ where, name, rule, survey, options, tokenizer, isOnly: !('y' in rules) && name === 'x' }),
  );
  const names = columns.flatMap(({ schema }) => Object.keys(schema));
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new CorpusError(`${where}: expected each column once, got \`${twice}\` twice. Rename one in \`columns\`.`);
  return {
    schema: Object.assign({}, ...columns.map(({ schema }) => schema)) as Schema,
    classes: Object.assign({}, ...columns.map(({ classes }) => classes)) as Classes,
    classNames: Object.assign({}, ...columns.map(({ classNames }) => classNames)) as Record<string, readonly string[]>,
    fields: columns.flatMap(({ fields }) => fields),
    decodes: columns.some(({ decodes }) => decodes),
    sample: (row, place) => sampleOf(columns, row, place),
  };
}

function sampleOf(columns: readonly Column[], row: Row, place: RowPlace): Sample | Promise<Sample> {
  const sample: { id: string; [column: string]: Sample[string] } = { id: place.id };
  const waiting: Promise<void>[] = [];
  for (const column of columns) {
    const filled = column.fill(row, place, sample);
    if (filled) waiting.push(filled);
  }
  return waiting.length === 0 ? sample : Promise.all(waiting).then(() => sample);
}
