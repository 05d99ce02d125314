import type * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { openHead } from '../model/head.ts';
import { parseOptions } from '../options.ts';
import { isHeldOut, only } from '../stream/held-out.ts';
import { loss } from './loss.ts';
import { modelScorer, type Scorer } from './model-scorer.ts';
import type { Scheme, SchemeContext, SchemeRun } from './scheme.ts';
import { ScoreTable, ScoreTableOptions, type ScoreTableState } from './score-table.ts';

export const RhoLossValues = z.strictObject({
  /** Share of the samples that the holdout model is trained on, and the run never; for a holdout trained by the run. @default 0.1 – guess */
  holdoutShare: z.number().gt(0).lt(1).default(0.1),
  /** Share of the run's budget in which it is trained. @default 0.1 – guess */
  budgetShare: z.number().gt(0).lt(1).default(0.1),
  historyLimit: ScoreTableOptions.shape.historyLimit,
});

export type RhoLossOptions = z.input<typeof RhoLossValues> & {
  /** A compiled model that was trained on samples of its own; without one the run trains a copy of its model first. */
  readonly holdout?: tf.LayersModel;
};

/**
 * Trains on the b samples of a presample whose loss could fall furthest: what is learnable, worth learning, not yet
 * learnt. A sample that a model trained on other data gets wrong as well is noise.
 *
 *     the b largest of   loss_i(θ) − loss_i(θ_holdout)          Mindermann et al. 2022, arXiv:2206.07137
 *
 * The holdout's losses never change, so they are remembered by id. Biased; no weights.
 * @throws {OptionsError} when an option is out of range
 * @example
 * await fit(model, corpus, { scheme: rhoLoss(), steps: 5, batchSize: 32, presampleSize: 128, seed: 7 });
 */
export function rhoLoss({ holdout, ...rest }: RhoLossOptions = {}): Scheme {
  const values = parseOptions('rhoLoss()', RhoLossValues, rest);
  return {
    name: 'rho-loss',
    score: loss.score!,
    start: (context) => (holdout ? withHoldout(holdout, context, values) : trainingItsOwn(context, values)),
  };
}

function withHoldout(
  holdout: tf.LayersModel,
  context: SchemeContext,
  { historyLimit }: z.output<typeof RhoLossValues>,
): SchemeRun {
  const { head, schema, scoreBatchSize, corpus } = context;
  const current = modelScorer(head, { scheme: loss, schema, scoreBatchSize });
  const irreducible = modelScorer(openHead(holdout), { scheme: loss, schema, scoreBatchSize });
  const table = new ScoreTable({ historyLimit, expected: corpus.length });
  return {
    scorer: reducible(current, irreducible, table),
    fetch: 'always',
    selection: { draw: 'top' },
    state: () => table.state(),
    restore: (state) => table.restore(state as ScoreTableState), // what `state` gave
  };
}

/** loss − irreducible loss, less the smallest of the presample, since scores are at least 0. */
const reducible = (current: Scorer, irreducible: Scorer, table: ScoreTable): Scorer => ({
  async score(presample) {
    const losses = await current.score(presample);
    if (presample.ids.some((id) => table.get(id) === undefined))
      table.update(presample.ids, await irreducible.score(presample));
    const rho = losses.map((value, row) => value - table.get(presample.ids[row]!)!);
    const smallest = rho.reduce((least, value) => Math.min(least, value), Infinity);
    return rho.map((value) => value - smallest);
  },
});

/** Trains a copy of the model on held-out samples before the first step, within the run's budget. */
function trainingItsOwn(context: SchemeContext, values: z.output<typeof RhoLossValues>): SchemeRun {
  const isMeant = (id: string) => isHeldOut(context.seed, id, values.holdoutShare);
  let own: SchemeRun | undefined;
  let holdout: tf.LayersModel | undefined;
  let saved: unknown;
  return {
    scorer: { score: async (presample) => own!.scorer!.score(presample) },
    fetch: 'always',
    selection: { draw: 'top' },
    admit: (id) => !isMeant(id),
    async prepare({ isResumed }) {
      holdout = isResumed
        ? await context.copyModel()
        : await context.trainCopy(only(context.corpus, isMeant), values.budgetShare);
      own = withHoldout(holdout, context, values);
      if (saved !== undefined) own.restore!(saved);
    },
    variables: () =>
      Object.fromEntries(holdout!.weights.map((weight, i) => [`holdout/${i}`, weight.read() as tf.Variable])), // read() gives it
    state: () => own!.state!(),
    restore: (state) => void (saved = state),
    dispose: () => holdout?.dispose(),
  };
}
