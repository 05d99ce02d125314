import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { compile } from '../engine/compile.ts';
import { parseOptions } from '../options.ts';
import type { Presample } from '../stream/presample.ts';
import { loss } from './loss.ts';
import type { Scheme, SchemeRun } from './scheme.ts';
import { ScoreTable, ScoreTableOptions } from './score-table.ts';

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
      const classOf = new Map<string, number>();
      return {
        scorer: {
          async score(presample) {
            const labels = labelsOf(presample, predictor.classes);
            presample.ids.forEach((id, row) => classOf.set(id, labels[row]!));
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
          classOf.clear();
        },
        state: () => table.state(),
        restore: (state) => table.restore(state as ReturnType<ScoreTable['state']>), // what `state` gave
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

/** An LSTM over T last losses, [B, T], started from a vector of the sample's class. It predicts log(1 + loss). */
class Predictor {
  readonly classes: number;
  readonly #depth: number;
  readonly #model: tf.LayersModel;
  readonly #optimizer: tf.Optimizer;
  readonly #run = compile((histories: tf.Tensor, labels: tf.Tensor) => {
    const out = tf.reshape(this.#forward(histories, labels), [-1]);
    return tf.maximum(tf.expm1(out), 0); // a loss is at least 0
  });

  constructor(options: z.output<typeof PredictedOptions>, classes: number, seed: number) {
    this.classes = classes;
    this.#depth = options.depth;
    this.#optimizer = tf.train.adam(options.learningRate);
    const seeded = (index: number) => tf.initializers.glorotUniform({ seed: seed + index });
    const histories = tf.input({ shape: [options.depth, 1], name: 'histories' });
    const label = tf.input({ shape: [1], dtype: 'int32', name: 'label' });
    const vector = tf.layers
      .flatten()
      .apply(
        tf.layers
          .embedding({ inputDim: classes, outputDim: options.units, embeddingsInitializer: seeded(1) })
          .apply(label),
      ) as tf.SymbolicTensor;
    const lstm = tf.layers.lstm({
      units: options.units,
      recurrentActivation: 'sigmoid',
      kernelInitializer: seeded(2),
      recurrentInitializer: seeded(3),
    });
    const read = lstm.apply(histories) as tf.SymbolicTensor;
    const both = tf.layers.concatenate().apply([read, vector]) as tf.SymbolicTensor;
    const out = tf.layers
      .dense({ units: 1, kernelInitializer: seeded(4), biasInitializer: tf.initializers.constant({ value: 0.7 }) })
      .apply(both) as tf.SymbolicTensor;
    this.#model = tf.model({ inputs: [histories, label], outputs: out });
  }

  async predict(histories: Float32Array, labels: Int32Array): Promise<Float32Array> {
    const result = tf.tidy(() => this.#run(this.#histories(histories), this.#labels(labels)));
    try {
      return Float32Array.from(await result.data<'float32'>());
    } finally {
      result.dispose();
    }
  }

  /** One step on the squared error of log(1 + loss). */
  learn(histories: Float32Array, labels: Int32Array, losses: Float32Array): void {
    tf.tidy(() => {
      const [x, y] = [this.#histories(histories), this.#labels(labels)];
      const wanted = tf.log1p(tf.maximum(tf.tensor1d(losses), 0));
      this.#optimizer.minimize(() =>
        tf.mean<tf.Scalar>(tf.squaredDifference(tf.reshape(this.#forward(x, y), [-1]), wanted)),
      );
    });
  }

  #forward(histories: tf.Tensor, labels: tf.Tensor): tf.Tensor {
    return this.#model.apply([histories, labels]) as tf.Tensor;
  }

  #histories = (values: Float32Array) => tf.log1p(tf.tensor3d(values, [values.length / this.#depth, this.#depth, 1]));
  #labels = (values: Int32Array) => tf.tensor2d(values, [values.length, 1], 'int32');

  dispose(): void {
    this.#model.dispose();
    this.#optimizer.dispose();
  }
}
