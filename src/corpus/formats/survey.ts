import { CorpusError } from '../../errors.ts';
import { byteTokenizer, VocabularyBuilder, type Tokenizer } from '../tokenizer.ts';
import { isImage } from './image.ts';
import type { ColumnRule, Row, TableOptions } from './table.ts';

const TARGETS = ['y', 'label', 'labels', 'class', 'target', 'category', 'cls'];
const INPUTS = [
  'x',
  'text',
  'image',
  'img',
  'jpg',
  'jpeg',
  'png',
  'webp',
  'features',
  'input',
  'sentence',
  'body',
  'content',
  'txt',
];
const IDS = new Set(['id', 'key', '__key__', 'index', 'uuid']);
/** Values of a field that are told apart; a field with more of them is no class. */
const MOST_VALUES = 100_000;

/** Arrays of numbers that are alike but for how many there are on their first axis. */
export interface ArrayShape {
  readonly shortest: number;
  readonly longest: number;
  /** The other axes. */
  readonly inner: readonly number[];
}

/** What is known of a field after all rows were looked at. */
export interface FieldFacts {
  readonly name: string;
  readonly kinds: Set<'number' | 'string' | 'numbers' | 'image' | 'bytes' | 'none' | 'other'>;
  /** Whether every number is whole and at least 0. */
  whole: boolean;
  largest: number;
  /** Each value as text, while there are few. */
  readonly values: Set<string>;
  /** Shapes of arrays; undefined when there are none, or they differ in more than their first axis. */
  shape: ArrayShape | undefined;
  seen: number;
}

/** Looks at rows one after another and keeps what it takes to guess columns. */
export class Survey {
  readonly fields = new Map<string, FieldFacts>();
  rows = 0;
  readonly #builder: VocabularyBuilder | undefined;
  readonly #text: ReadonlySet<string>;

  constructor({ tokenizer, columns }: TableOptions) {
    this.#builder = tokenizer === 'character' || tokenizer === 'word' ? new VocabularyBuilder(tokenizer) : undefined;
    const ruled = Object.entries(columns ?? {}).flatMap(([name, { kind, from = name }]) =>
      kind === 'text' ? [from].flat() : [],
    );
    this.#text = new Set(columns ? ruled : INPUTS);
  }

  add(row: Row): void {
    this.rows += 1;
    for (const name in row) {
      const facts = this.#facts(name);
      facts.seen += 1;
      note(facts, row[name]);
      if (this.#builder && this.#text.has(name) && typeof row[name] === 'string') this.#builder.add(row[name]);
    }
  }

  field(name: string): FieldFacts | undefined {
    return this.fields.get(name);
  }

  /** The tokenizer that the options ask for, built from the rows if need be. */
  tokenizer({ tokenizer, vocabularyLimit }: TableOptions): Tokenizer {
    if (typeof tokenizer === 'object') return tokenizer;
    return this.#builder?.build(vocabularyLimit) ?? byteTokenizer;
  }

  #facts(name: string): FieldFacts {
    const known = this.fields.get(name);
    if (known) return known;
    const fresh: FieldFacts = {
      name,
      kinds: new Set(),
      whole: true,
      largest: -1,
      values: new Set(),
      shape: undefined,
      seen: 0,
    };
    this.fields.set(name, fresh);
    return fresh;
  }
}

function note(facts: FieldFacts, value: unknown): void {
  const kind = kindOf(value);
  const first = !facts.kinds.has('numbers') && !facts.kinds.has('bytes');
  facts.kinds.add(kind);
  if (kind === 'number') {
    const number = Number(value);
    facts.whole &&= Number.isInteger(number) && number >= 0;
    facts.largest = Math.max(facts.largest, number);
  }
  if (kind === 'number' || kind === 'string') {
    if (facts.values.size < MOST_VALUES) facts.values.add(String(value));
  } else if (kind === 'numbers' || kind === 'bytes') {
    const [length = 0, ...inner] = shapeOf(value) ?? [];
    const own = { shortest: length, longest: length, inner };
    facts.shape = first ? own : facts.shape && joined(facts.shape, own);
  }
}

const joined = (a: ArrayShape, b: ArrayShape): ArrayShape | undefined =>
  a.inner.join() === b.inner.join()
    ? { shortest: Math.min(a.shortest, b.shortest), longest: Math.max(a.longest, b.longest), inner: a.inner }
    : undefined;

function kindOf(value: unknown): FieldFacts['kinds'] extends Set<infer Kind> ? Kind : never {
  if (value === null || value === undefined || value === '') return 'none';
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return 'number';
  if (typeof value === 'string') return 'string';
  if (value instanceof Uint8Array) return isImage(value) ? 'image' : 'bytes';
  return shapeOf(value) ? 'numbers' : 'other';
}

/** The shape of nested arrays of numbers, all of one length on each level. */
export function shapeOf(value: unknown): number[] | undefined {
  if (ArrayBuffer.isView(value) && 'length' in value) return [Number(value.length)];
  if (!Array.isArray(value)) return undefined;
  const [head] = value as unknown[];
  if (typeof head === 'number' || typeof head === 'bigint') return [value.length];
  const inner = shapeOf(head);
  return inner && [value.length, ...inner];
}

/** Rules for the columns, by the names and kinds of the fields. */
export function guessRules(where: string, survey: Survey): Record<string, ColumnRule> {
  const named = (names: readonly string[]) =>
    names.map((name) => survey.field(name)).find((facts) => facts !== undefined);
  const target = named(TARGETS);
  const others = [...survey.fields.values()].filter((facts) => facts !== target && !IDS.has(facts.name));
  const input = named(INPUTS) ?? (others.length === 1 ? others[0] : undefined);
  const numeric = others.filter(({ kinds }) => only(kinds, 'number'));
  const x = input
    ? ruleOf(input)
    : numeric.length > 0
      ? ({ kind: 'number', from: numeric.map(({ name }) => name) } as const)
      : undefined;
  if (!x) throw unguessed(where, [...survey.fields.keys()]);
  return { x, ...(target && { y: targetRule(target) }) };
}

const only = (kinds: FieldFacts['kinds'], kind: 'number' | 'string' | 'image') =>
  kinds.has(kind) && [...kinds].every((other) => other === kind || other === 'none');

function ruleOf({ name, kinds }: FieldFacts): ColumnRule {
  if (kinds.has('image')) return { kind: 'image', from: name };
  return { kind: kinds.has('string') ? 'text' : 'number', from: name };
}

function targetRule({ name, kinds, whole, largest }: FieldFacts): ColumnRule {
  const isClass = kinds.has('string') || (whole && only(kinds, 'number') && largest < MOST_VALUES);
  return { kind: isClass ? 'class' : 'number', from: name };
}

const unguessed = (where: string, fields: readonly string[]) =>
  new CorpusError(
    `${where}: expected fields that tell what is trained on (text, an image, numbers), got \`${fields.join('`, `')}\`. ` +
      "Say which, for example `columns: { x: { from: 'body', kind: 'text' }, y: { from: 'kind', kind: 'class' } }`.",
    { fields },
  );
