import { z } from 'zod';
import { parseOptions } from '../options.ts';
import { createRng, rngFrom } from '../stream/random.ts';
import { loss } from './loss.ts';
import { remembering } from './remembered.ts';
import type { Scheme } from './scheme.ts';
import { ScoreTable, ScoreTableOptions, type ScoreTableState } from './score-table.ts';

export const InfobatchOptions = z
  .strictObject({
    /** Share of the samples of small loss that is left out, r in [0, 1). @default 0.5 – Qin et al. */
    pruneShare: z.number().min(0).lt(1).default(0.5),
    /** Share of the budget after which all samples are trained on, δ. @default 0.875 – Qin et al. */
    fullAfter: z.number().min(0).max(1).default(0.875),
    /**
     * Leaves samples out only while the mean remembered loss is below this share of the first step's. What loss is left
     * where it stays high is that of noise and wrong labels, and these are not to be seen more often.
     * @default 1 – Qin et al. have no such bound
     */
    pruneBelow: z.number().positive().max(1).default(1),
    /**
     * Leaves samples out only while the mean remembered loss is above this share of the first step's: where nearly all is
     * learnt there is nothing to be gained, and what is left out is what keeps it learnt.
     * @default 0 – Qin et al. have no such bound
     */
    pruneAbove: z.number().min(0).max(1).default(0),
    /**
     * Divides weights by their running mean, so that a step is as long as uniform sampling's and bears its learning rate:
     * those that stand for others make it up to 1 / (1 − r) times as long else, which fails near the largest rate that
     * uniform sampling bears. What a step expects keeps its direction, not its length.
     * @default false – Qin et al.
     */
    evenSteps: z.boolean().default(false),
    historyLimit: ScoreTableOptions.shape.historyLimit,
    whenFull: ScoreTableOptions.shape.whenFull,
  })
  .refine(({ pruneAbove, pruneBelow }) => pruneAbove < pruneBelow, {
    path: ['pruneAbove'],
    error: 'must lie below `pruneBelow`: no loss is between them',
  });

interface InfobatchState {
  readonly table: ScoreTableState;
  readonly rng: readonly number[];
  readonly first?: number;
  readonly meanWeight: number;
  readonly admitted: readonly (readonly [string, number])[];
}

/** Share of a new weight in the running mean of `evenSteps`: it follows within some thousand samples. */
const meanShare = 1e-3;

/**
 * Leaves out a share of the samples whose last loss is below the mean, and lets those that stay stand for them.
 *
 *     loss_i < mean: left out with probability r, else weighed by 1 / (1 − r);   others: weight 1          Qin et al. 2023, arXiv:2303.04947
 *
 * Unbiased (up to one factor with `evenSteps`). Samples are left out before they are buffered, so it saves their reading into buffers, too. Samples not seen
 * yet are always trained on.
 * @throws {OptionsError} when an option is out of range
 * @example
 * await fit(model, corpus, { scheme: infobatch({ pruneShare: 0.5 }), steps: 5, batchSize: 32, seed: 7 });
 */
export function infobatch(options: z.input<typeof InfobatchOptions> = {}): Scheme {
  const { pruneShare, fullAfter, pruneBelow, pruneAbove, evenSteps, historyLimit, whenFull } = parseOptions(
    'infobatch()',
    InfobatchOptions,
    options,
  );
  return {
    name: 'infobatch',
    start: ({ corpus, seed, share }) => {
      const table = new ScoreTable({ historyLimit, whenFull, expected: corpus.length });
      let rng = createRng(seed, 'infobatch');
      const memory = remembering(table, loss.score!);
      let first: number | undefined;
      let meanWeight = 1;
      /** Asked for once a step: samples are many, and a clock may be dear. */
      let shareNow: number | undefined;
      const isWithin = () =>
        (pruneBelow === 1 || table.mean < pruneBelow * (first ?? 0)) && table.mean >= pruneAbove * (first ?? 0);
      /** Weights of samples that were admitted and not trained on yet: as many as are in flight. */
      const admitted = new Map<string, number>();
      return {
        fetch: 'never',
        admit(id) {
          const last = isWithin() && (shareNow ??= share()) < fullAfter ? table.get(id) : undefined;
          const easy = last !== undefined && last < table.mean;
          if (easy && rng.uniform() < pruneShare) return false;
          if (easy) admitted.set(id, 1 / (1 - pruneShare));
          return true;
        },
        weightOf: (id) => {
          const weight = admitted.get(id) ?? 1;
          admitted.delete(id);
          if (!evenSteps) return weight;
          meanWeight += meanShare * (weight - meanWeight);
          return weight / meanWeight;
        },
        ...memory,
        stepped: () => void (shareNow = undefined),
        trained(ids, losses) {
          first ??= losses.reduce((sum, value) => sum + value, 0) / losses.length;
          memory.trained(ids, losses);
        },
        state: () => ({ table: table.state(), rng: rng.state(), first, meanWeight, admitted: [...admitted] }),
        restore: (state) => {
          const saved = state as InfobatchState; // what `state` gave
          table.restore(saved.table);
          rng = rngFrom(saved.rng);
          first = saved.first;
          meanWeight = saved.meanWeight;
          for (const [id, weight] of saved.admitted) admitted.set(id, weight);
        },
      };
    },
  };
}
