import { importance } from '../importance/importance.ts';
import type { Scorer } from '../importance/model-scorer.ts';
import type { Scheme } from '../importance/scheme.ts';
import { scorerOf } from '../importance/scorer-of.ts';
import type { Head } from '../model/head.ts';
import { presample } from '../presample/presample.ts';
import { resample } from '../resample/resample.ts';
import { gatherRows } from '../stream/columns.ts';
import type { Gate, Phase } from '../stream/gate.ts';
import type { Minibatch } from '../stream/minibatch.ts';
import type { Presample } from '../stream/presample.ts';
import { deriveSeed } from '../stream/random.ts';
import type { Corpus, Sample } from '../stream/sample.ts';
import type { FitSettings } from '../train/fit-options.ts';
import type { Part } from './part.ts';
import { protocolVersion, type Job } from './protocol.ts';

export interface JobScoringOptions {
  readonly head: Head;
  readonly scheme: Scheme;
  readonly values: FitSettings;
  readonly corpus: Corpus;
  /** The name of the corpus' order. */
  readonly order: string;
}

/** A job at work. */
export interface OpenedJob {
  readonly presamples: AsyncGenerator<Presample, void, void>;
  /** Samples read, and places whose sample could not be. */
  counts(): { readonly samples: number; readonly left: number };
}

/**
 * What a worker does to a job, with the stages that a run in one process has: the samples of its places, presamples of
 * them, their scores, and what is drawn by these. What is drawn depends on seed, job, part and scores alone.
 */
export class JobScoring {
  readonly #options: JobScoringOptions;
  readonly #scorer: Scorer | undefined;

  constructor(options: JobScoringOptions) {
    const { head, scheme, values, corpus } = options;
    this.#options = options;
    this.#scorer = scorerOf(scheme, head, { schema: corpus.schema, scoreBatchSize: values.scoreBatchSize });
  }

  open({ from, to, phase }: Pick<Job, 'from' | 'to' | 'phase'>, signal: AbortSignal): OpenedJob {
    const { values, corpus, order } = this.#options;
    const stretch = new Stretch(corpus, { seed: values.seed, order, from, to, signal });
    const fill = presample({
      schema: corpus.schema,
      gate: fixedGate(phase),
      presampleSize: values.presampleSize,
      batchSize: values.batchSize,
      lengths: values.lengths,
      signal,
    });
    return {
      presamples: fill(stretch.samples()),
      counts: () => ({ samples: stretch.taken, left: to - from - stretch.taken }),
    };
  }

  /** Scores a presample with the model's parameters, and draws from it. @param version steps that these have taken */
  async score(
    { job, phase }: Pick<Job, 'job' | 'phase'>,
    part: number,
    filled: Presample,
    version: number,
  ): Promise<Part> {
    const { values } = this.#options;
    const { onBadScore, batchSize, draws, additive, adaptive, power, uniformFloor } = values;
    let scores: Float32Array | undefined;
    let scoreMs = 0;
    const skipped: string[] = [];
    const scoring = importance(this.#scorer, {
      onBadScore,
      onScores: (_, own) => void (scores = own),
      onSkip: (ids) => void skipped.push(...ids),
      onCost: (_, ms) => void (scoreMs = ms),
    });
    const smoothing = { additive, adaptive, power, uniformFloor };
    const seed = deriveSeed(values.seed, 'fleet', job, part);
    const drawing = resample({ gate: fixedGate(phase), batchSize, draws, seed, ...smoothing });
    const drawn: Minibatch[] = [];
    try {
      for await (const batch of drawing(scoring(only(filled.retain())))) drawn.push(batch);
      return { ...partOf(filled, drawn), version, skipped, scoreMs, ...(scores && { scores }) };
    } finally {
      for (const batch of drawn) batch.dispose();
    }
  }
}

/** The samples of some places of a corpus' order. */
class Stretch {
  taken = 0;
  readonly #corpus: Corpus;
  readonly #range: { seed: number; order: string; from: number; to: number; signal: AbortSignal };

  constructor(corpus: Corpus, range: { seed: number; order: string; from: number; to: number; signal: AbortSignal }) {
    this.#corpus = corpus;
    this.#range = range;
  }

  async *samples(): AsyncGenerator<Sample, void, void> {
    const { seed, order, from, to, signal } = this.#range;
    const stream = this.#corpus.samples({ seed, signal, from: { kind: 'place', order, place: from } });
    let read = 0;
    for await (const sample of stream) {
      read += 1;
      const behind = Number(stream.position!(read)['place']); // orderOf has seen to it
      if (behind > to) return; // places left out led beyond the job
      this.taken = read;
      yield sample;
      if (behind === to) return;
    }
  }
}

/** The rows that the draws have picked, each once, and the draws by these. */
function partOf({ ids, columns, size, weight, batchSize, phase }: Presample, drawn: readonly Minibatch[]) {
  const isWhole = phase === 'uniform';
  const rows = isWhole
    ? [...ids.keys()]
    : [...new Set(drawn.flatMap(({ picks }) => [...picks]))].toSorted((a, b) => a - b);
  const place = new Map(rows.map((row, i) => [row, i]));
  return {
    protocol: protocolVersion,
    rows: size,
    ids: rows.map((row) => ids[row]!),
    columns: Object.fromEntries(
      Object.entries(columns).map(([name, column]) => [name, gatherRows(column, rows)]),
    ) as Part['columns'],
    draws: drawn.map(({ picks, weights, probabilities, drawTau }) => ({
      picks: picks.map((row) => place.get(row)!),
      weights,
      ...(probabilities && { probabilities }),
      drawTau,
    })),
    weight,
    ...(batchSize !== undefined && { batchSize }),
  } as const;
}

async function* only<Item>(item: Item): AsyncGenerator<Item, void, void> {
  yield item;
}

/** A worker's gate stands as the job says. */
const fixedGate = (phase: Phase): Gate => ({ isOpen: phase === 'importance', tau: 1, observe: () => {} });
