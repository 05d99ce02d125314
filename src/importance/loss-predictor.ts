import * as tf from '@tensorflow/tfjs';
import { compile } from '../engine/compile.ts';

interface PredictorOptions {
  /** Last losses of a sample, T. */
  readonly depth: number;
  readonly units: number;
  readonly learningRate: number;
}

/** An LSTM over T last losses, [B, T], started from a vector of the sample's class. It predicts log(1 + loss). */
export class Predictor {
  readonly classes: number;
  readonly #depth: number;
  readonly #model: tf.LayersModel;
  readonly #adam: Adam;
  readonly #run = compile((histories: tf.Tensor, labels: tf.Tensor) => {
    const out = tf.reshape(this.#forward(histories, labels), [-1]);
    return tf.maximum(tf.expm1(out), 0); // a loss is at least 0
  });

  constructor(options: PredictorOptions, classes: number, seed: number) {
    this.classes = classes;
    this.#depth = options.depth;
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
    const weights = this.#model.trainableWeights.map((weight) => weight.read() as tf.Variable); // as it is made
    this.#adam = new Adam(weights, options.learningRate);
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
    tf.tidy(() => void this.#step(this.#histories(histories), this.#labels(labels), tf.tensor1d(losses)));
  }

  readonly #step = compile((histories: tf.Tensor, labels: tf.Tensor, losses: tf.Tensor) => {
    const wanted = tf.log1p(tf.maximum(losses, 0));
    return this.#adam.minimize(() =>
      tf.mean<tf.Scalar>(tf.squaredDifference(tf.reshape(this.#forward(histories, labels), [-1]), wanted)),
    );
  });

  /** Its weights and what Adam remembers of them. @returns borrowed */
  variables(): Record<string, tf.Variable> {
    return this.#adam.variables();
  }

  #forward(histories: tf.Tensor, labels: tf.Tensor): tf.Tensor {
    return this.#model.apply([histories, labels]) as tf.Tensor;
  }

  #histories = (values: Float32Array) => tf.log1p(tf.tensor3d(values, [values.length / this.#depth, this.#depth, 1]));
  #labels = (values: Int32Array) => tf.tensor2d(values, [values.length, 1], 'int32');

  dispose(): void {
    this.#model.dispose();
    this.#adam.dispose();
  }
}

const one = () => tf.tidy(() => tf.variable(tf.scalar(1), false));
const named = (name: string, all: readonly tf.Variable[]) => all.map((each, i) => [`${name}/${i}`, each] as const);

/** Adam (Kingma & Ba 2015) in variables alone, so that it can be compiled, and put into a checkpoint. */
class Adam {
  readonly #weights: readonly tf.Variable[];
  readonly #rate: number;
  readonly #first: readonly tf.Variable[];
  readonly #second: readonly tf.Variable[];
  /** β₁^t and β₂^t. */
  readonly #powers: readonly [tf.Variable, tf.Variable];

  constructor(weights: readonly tf.Variable[], rate: number) {
    this.#weights = weights;
    this.#rate = rate;
    const zeros = () => weights.map((weight) => tf.tidy(() => tf.variable(tf.zerosLike(weight), false)));
    this.#first = zeros();
    this.#second = zeros();
    this.#powers = [one(), one()];
  }

  minimize(compute: () => tf.Scalar): tf.Scalar {
    const [b1, b2, epsilon] = [0.9, 0.999, 1e-7];
    const { value, grads } = tf.variableGrads(compute, [...this.#weights]);
    const [p1, p2] = this.#powers;
    p1.assign(tf.mul(p1, b1));
    p2.assign(tf.mul(p2, b2));
    const scale = tf.div(tf.mul(this.#rate, tf.sqrt(tf.sub(1, p2))), tf.sub(1, p1));
    this.#weights.forEach((weight, i) => {
      const gradient = grads[weight.name]!;
      const [m, v] = [this.#first[i]!, this.#second[i]!];
      m.assign(tf.add(tf.mul(m, b1), tf.mul(gradient, 1 - b1)));
      v.assign(tf.add(tf.mul(v, b2), tf.mul(tf.square(gradient), 1 - b2)));
      weight.assign(tf.sub(weight, tf.div(tf.mul(scale, m), tf.add(tf.sqrt(v), epsilon))));
    });
    return value;
  }

  variables(): Record<string, tf.Variable> {
    return Object.fromEntries([
      ...named('weight', this.#weights),
      ...named('first', this.#first),
      ...named('second', this.#second),
      ...named('power', this.#powers),
    ]);
  }

  dispose(): void {
    tf.dispose([...this.#first, ...this.#second, ...this.#powers]);
  }
}
