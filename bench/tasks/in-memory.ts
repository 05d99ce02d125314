/** Corpora held in memory: what the benches measure is training, not reading. */
import { placeOf, positionAt } from '../../src/corpus/cursor.ts';
import { createRng, shuffle } from '../../src/stream/random.ts';
import type { Schema } from '../../src/stream/columns.ts';
import type { Corpus, Sample } from '../../src/stream/sample.ts';

/** A classified sample. */
export interface Labelled extends Sample {
  readonly id: string;
  readonly y: number;
}

/** Rows as a corpus whose ids are the same in every epoch, and which can be opened at any place, as a fleet asks for. */
export function inMemory(name: string, schema: Schema, rows: readonly Sample[]): Corpus {
  const orders = new Orders(name, rows.length);
  return {
    name,
    schema,
    length: rows.length,
    samples({ seed, epochs = Infinity, shuffle: isShuffled = true, from }) {
      const order = `${name}/${rows.length}/${isShuffled ? seed : 'as it lies'}`;
      const begin = from ? placeOf(`Corpus \`${name}\``, from, order) : 0;
      const stream = (async function* () {
        for (let epoch = Math.floor(begin / rows.length); epoch < epochs; epoch++) {
          const indices = isShuffled ? orders.of(seed, epoch) : rows.keys();
          let place = epoch * rows.length;
          for (const i of indices) if (place++ >= begin) yield { ...rows[i]! } satisfies Sample;
        }
      })();
      return Object.assign(stream, { position: (taken: number) => positionAt(order, begin + taken) });
    },
  };
}

/** The orders of epochs. Each is shuffled from the one before: the newest is kept, so that places open at once. */
class Orders {
  readonly #name: string;
  readonly #count: number;
  #newest: { readonly seed: number; readonly epoch: number; readonly indices: readonly number[] } | undefined;

  constructor(name: string, count: number) {
    this.#name = name;
    this.#count = count;
  }

  of(seed: number, epoch: number): readonly number[] {
    const known = this.#newest?.seed === seed && this.#newest.epoch <= epoch ? this.#newest : undefined;
    if (known?.epoch === epoch) return known.indices;
    const indices = known ? [...known.indices] : Array.from({ length: this.#count }, (_, i) => i);
    for (let at = known ? known.epoch + 1 : 0; at <= epoch; at++) shuffle(indices, createRng(seed, this.#name, at));
    this.#newest = { seed, epoch, indices };
    return indices;
  }
}

/** A corpus' samples, read once. */
export async function rowsOf(corpus: Corpus): Promise<Sample[]> {
  const rows: Sample[] = [];
  for await (const sample of corpus.samples({ seed: 0, epochs: 1, shuffle: false })) rows.push({ ...sample });
  return rows;
}

/** Gives a share of the rows another class than their own. */
export function flipped<Row extends Labelled>(rows: readonly Row[], share: number, classes: number): Row[] {
  const rng = createRng(1, 'flipped');
  return rows.map((row) =>
    rng.uniform() < share ? { ...row, y: (row.y + 1 + rng.integer(classes - 1)) % classes } : row,
  );
}
