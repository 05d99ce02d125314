/** Corpora held in memory: what the benches measure is training, not reading. */
import { createRng, shuffle } from '../../src/stream/random.ts';
import type { Schema } from '../../src/stream/columns.ts';
import type { Corpus, Sample } from '../../src/stream/sample.ts';

/** A classified sample. */
export interface Labelled extends Sample {
  readonly id: string;
  readonly y: number;
}

/** Rows as a corpus whose ids are the same in every epoch. */
export const inMemory = (name: string, schema: Schema, rows: readonly Sample[]): Corpus => ({
  name,
  schema,
  length: rows.length,
  async *samples({ seed, epochs = Infinity, shuffle: isShuffled = true }) {
    const indices = rows.map((_, i) => i);
    for (let epoch = 0; epoch < epochs; epoch++) {
      if (isShuffled) shuffle(indices, createRng(seed, name, epoch));
      for (const i of indices) yield { ...rows[i]! } satisfies Sample;
    }
  },
});

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
