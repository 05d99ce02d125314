import { z } from 'zod';
import { parseOptions } from '../options.ts';
import type { Presample } from '../stream/presample.ts';
import { loss } from './loss.ts';
import { Predictor } from './loss-predictor.ts';
import type { Scheme, SchemeRun } from './scheme.ts';
import { ScoreTable, ScoreTableOptions, type ScoreTableState } from './score-table.ts';

export const PredictedOptions = z.strictObject({
  /** Power of the weights, k: see `biased`. @default 0.5 – the authors' code */
  k: z.number().min(-10).max(1).default(0.5),
  /** Last losses of a sample that its next is predicted by. @default 10 – Katharopoulos & Fleuret 2017 */
  depth: z.int().min(1).max(64).default(10),
  /** Units of the predictor. @default 16 – guess */
  units: z.int().positive().default(16),
  /** The predictor's learning rate. @default 0.01 – guess */
  learningRate: z.number().positive().default(0.01),
  historyLimit: ScoreTableOptions.shape.historyLimit,
});

/**
 * Draws by a loss that a small LSTM predicts from a sample's last losses and its class, so that no forward pass of the
 * model is needed to score; the predictor learns from the losses of the training steps.
 *
 *     p_i ∝ predicted loss_i,   w_i ∝ (1 / (B p_i))^k          Katharopoulos & Fleuret 2017, arXiv:1706.00043
 *
 * A class number, where the target is one, chooses a learnt vector that the LSTM starts from.
 * @throws {OptionsError} when an option is out of range
 * @example
 * await fit(model, corpus, { scheme: predicted({ k: 1 }), steps: 5, batchSize: 32, presampleSize: 128, seed: 7 });
 */
export function predicted(options: z.input<typeof PredictedOptions> = {}): Scheme {
  const values = parseOptions('predicted()', PredictedOptions, options);
  return {
    name: 'predicted',
    score: loss.score!,
    start: ({ head, corpus, schema, seed }): SchemeRun => {
      const table = new ScoreTable({ historyLimit: values.historyLimit, depth: values.depth, expected: corpus.length });
      const classes = schema['y']?.shape.length === 0 ? Number(head.model.outputs[0]!.shape.at(-1)) : 1;
      const predictor = new Predictor(values, head.losses[0]!.sparse ? classes : 1, seed);
      /** Classes of the samples of the last presample: those that minibatches are being drawn from. */
      let classOf = new Map<string, number>();
      return {
        scorer: {
          async score(presample) {
            const labels = labelsOf(presample, predictor.classes);
            classOf = new Map(presample.ids.map((id, row) => [id, labels[row]!]));
            return predictor.predict(historiesOf(table, presample.ids), labels);
          },
        },
        fetch: 'always',
        selection: {
          draw: 'multinomial',
          chances: (losses) => losses.map((value) => value + 1e-3),
          weightPower: values.k,
        },
        stepScore: loss.score!,
        trained(ids, losses) {
          const labels = Int32Array.from(ids, (id) => classOf.get(id) ?? 0);
          predictor.learn(historiesOf(table, ids), labels, losses);
          table.update(ids, losses);
        },
        variables: () => predictor.variables(),
        state: () => ({ table: table.state(), classOf: [...classOf] }),
        restore(state) {
          const saved = state as { table: ScoreTableState; classOf: readonly [string, number][] }; // what `state` gave
          table.restore(saved.table);
          classOf = new Map(saved.classOf);
        },
        dispose: () => predictor.dispose(),
      };
    },
  };
}

/** Class numbers, or 0 where there are none. */
function labelsOf(presample: Presample, classes: number): Int32Array {
  if (classes === 1) return new Int32Array(presample.size);
  return Int32Array.from(presample.column('y').data);
}

/** The last losses of each sample, the oldest first. @returns [B · T] */
function historiesOf(table: ScoreTable, ids: readonly string[]): Float32Array {
  const all = new Float32Array(ids.length * table.depth);
  ids.forEach((id, row) => all.set(table.history(id).toReversed(), row * table.depth));
  return all;
}
