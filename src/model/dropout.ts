import * as tf from '@tensorflow/tfjs';
import { deriveSeed } from '../stream/random.ts';

/** The largest prime whose square fits in the 24 bits that a float32 counts exactly. */
const p = 4093;

/** A file that Node takes for CommonJS gets a copy of this class of its own, so `instanceof` would not know its layers. */
const brand = Symbol.for('taustream.seeded-dropout');

/** Whether a layer is seeded dropout, of this copy of the package or another. */
export const isSeededDropout = (layer: tf.layers.Layer): layer is SeededDropout => brand in layer;

/**
 * Dropout whose masks follow from a seed and a counter. tfjs' own draws the same mask at every step when it has a seed,
 * and cannot be repeated when it has none; neither can be traced into a compiled step, because the random numbers are
 * made on the host. Here they are made on the engine, from a counter that is a variable.
 *
 * It is saved as the stock `Dropout` that it stands for, so a saved model loads anywhere.
 */
export class SeededDropout extends tf.layers.Layer {
  static className = 'Dropout';
  readonly [brand] = true;
  readonly #rate: number;
  readonly #seed: number;
  /** Masks drawn so far, of the last 2^24: a checkpoint that holds it repeats the masks that follow. */
  readonly drawn: tf.Variable;

  constructor(options: { name: string; rate: number; seed: number }) {
    super({ name: options.name });
    this.#rate = options.rate;
    this.#seed = options.seed;
    this.supportsMasking = true; // as the stock layer: steps that are not seen stay so
    this.drawn = tf.tidy(() => tf.variable(tf.scalar(0), false));
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: Record<string, unknown>): tf.Tensor {
    const input = Array.isArray(inputs) ? inputs[0]! : inputs;
    if (kwargs['training'] !== true || this.#rate === 0) return input;
    return tf.tidy(() => {
      const kept = this.#uniform(input.shape).greaterEqual(this.#rate * p); // [..., U]
      this.drawn.assign(this.drawn.add(1).mod(2 ** 24));
      return input.mul(kept.cast('float32')).div(1 - this.#rate);
    });
  }

  /**
   * Whole numbers in [0, p), one an element: `a_row * column^5 + c_row mod p`, with `a` and `c` hashed from row, counter
   * and seed. Every product stays below 2^24, so each engine gives the same bits.
   */
  #uniform(shape: number[]): tf.Tensor {
    const units = shape.at(-1)!;
    const rows = shape.reduce((product, axis) => product * axis, 1) / units;
    const row = tf.range(0, rows, 1, 'float32').reshape([rows, 1]);
    const factor = this.#hash(row, 'factor')
      .mod(p - 1)
      .add(1); // [rows, 1], never 0
    const offset = this.#hash(row, 'offset'); // [rows, 1]
    const column = power5(tf.range(1, units + 1, 1, 'float32').mod(p)).reshape([1, units]);
    return factor.mul(column).add(offset).mod(p).reshape(shape);
  }

  /** Mixes row, counter and seed, digit by digit in base p. */
  #hash(row: tf.Tensor, name: string): tf.Tensor {
    const seed = deriveSeed(this.#seed, 'dropout', name);
    const digits = [row.mod(p), row.div(p).floor().mod(p), this.drawn.mod(p), this.drawn.div(p).floor()];
    let mixed: tf.Tensor = tf.scalar(seed % p);
    for (const [i, digit] of digits.entries()) {
      const salt = deriveSeed(seed, i) % p;
      mixed = power5(
        mixed
          .add(digit)
          .mod(p)
          .mul(1 + (salt % (p - 1)))
          .add(salt)
          .mod(p),
      ); // a bijection of each digit
    }
    return power5(mixed.add(1).mod(p)).add(mixed.square().mod(p)).mod(p);
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape | tf.Shape[] {
    return inputShape;
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), rate: this.#rate };
  }

  /** Called when the last model that uses the layer is disposed. */
  protected override disposeWeights(): number {
    this.drawn.dispose();
    return super.disposeWeights();
  }
}

/** x^5 mod p, which scatters neighbours and maps no two numbers to one: 5 and p - 1 share no factor. */
function power5(x: tf.Tensor): tf.Tensor {
  const fourth = x.square().mod(p).square().mod(p);
  return fourth.mul(x).mod(p);
}
