import * as tf from '@tensorflow/tfjs';
import { CompileError } from '../../../errors.ts';
import { atUserPlace } from '../../place.ts';

/**
 * TensorFlow.js draws random numbers in JavaScript, one by one, so a trace would freeze them. While a step is traced,
 * this module stands in for the buffer that they are written to: it lets the generator write two numbers, learns from
 * these its parameters (mean and deviation, least and greatest), and the trace draws in TensorFlow instead.
 *
 * Both generators are affine in their parameters for a known seed: value = offset + scale * standard. TensorFlow.js takes
 * an unknown seed from `Math.random`, which is made known meanwhile; the standard numbers are found by asking for offset
 * 0 and scale 1 first. A seed that the caller gave means "these very numbers", and stays a constant, as it is eagerly.
 */
export interface Draw {
  readonly distribution: Distribution;
  readonly shape: number[];
  readonly dtype: tf.DataType;
  /** The mean, or the least number. */
  readonly offset: number;
  /** The standard deviation, or the range. */
  readonly scale: number;
  /** Whether whole numbers are the nearest ones; else they are cut off. */
  readonly rounds: boolean;
}
export type Distribution = 'uniform' | 'normal' | 'truncatedNormal';

const distributionOf = new Map<string, Distribution>([
  ['randomUniform__op', 'uniform'],
  ['randomNormal__op', 'normal'],
  ['truncatedNormal__op', 'truncatedNormal'],
]);
const refused = new Set(['randomGamma__op', 'rand__op']);

/** Stands in for the values of a buffer: an array whose length is 2 where the numbers only serve to find parameters. */
class Probe {
  [index: number]: number;
  readonly distribution: Distribution;
  readonly #size: number;
  readonly #isUnseeded: () => boolean;

  constructor(distribution: Distribution, size: number, isUnseeded: () => boolean) {
    this.distribution = distribution;
    this.#size = size;
    this.#isUnseeded = isUnseeded;
  }

  get isUnseeded(): boolean {
    return this.#isUnseeded();
  }

  get length(): number {
    return this.isUnseeded ? 2 : this.#size;
  }

  /** The numbers of a seeded generator. */
  numbers(): number[] {
    return Array.from({ length: this.#size }, (_, i) => this[i] ?? 0);
  }
}

const standards = new Map<Distribution, readonly [number, number]>();

const activeScope = () => tf.engine().state.activeScope;

/**
 * Runs `action` with random numbers intercepted. `take` is asked for what the host writes: see `Intercepted.take`.
 */
export function interceptDraws<T>(action: (intercepted: Intercepted) => T): T {
  const { random, round } = Math;
  let lastScope = -1;
  Math.random = () => {
    const scope = activeScope();
    if (!distributionOf.has(scope?.name ?? '')) return random();
    lastScope = scope.id;
    return 0.5;
  };
  // The generators of normal numbers round where whole ones are wanted: their parameters would not be found.
  Math.round = (value) => {
    const scope = activeScope();
    return distributionOf.has(scope?.name ?? '') && lastScope === scope.id ? value : round(value);
  };
  // The buffer's constructor assigns its values: this is where the probe takes their place.
  Object.defineProperty(tf.TensorBuffer.prototype, 'values', {
    configurable: true,
    set(this: tf.TensorBuffer<tf.Rank>, values: unknown) {
      const scope = activeScope();
      const distribution = distributionOf.get(scope?.name ?? '');
      const unseeded = () => lastScope === scope.id;
      const value = distribution ? new Probe(distribution, this.size, unseeded) : values;
      Object.defineProperty(this, 'values', { value, writable: true, enumerable: true, configurable: true });
    },
  });
  try {
    calibrate();
    return action(intercepted);
  } finally {
    Object.assign(Math, { random, round });
    Reflect.deleteProperty(tf.TensorBuffer.prototype, 'values');
  }
}

/** What was intercepted. */
export interface Intercepted {
  /**
   * Looks at values that the host writes: gives a draw to be made in their place, numbers to be written in their place,
   * or `undefined` for other values.
   *
   * @throws {CompileError} for generators whose parameters cannot be found
   */
  take: (values: unknown, shape: number[], dtype: tf.DataType) => Draw | number[] | undefined;
}

const intercepted: Intercepted = {
  take(values, shape, dtype) {
    const scope = activeScope()?.name ?? '';
    if (refused.has(scope)) {
      throw new CompileError(
        `compile(): \`tf.${scope.replace('__op', '')}\`${atUserPlace()} would give the same numbers in every step. Draw from \`tf.randomUniform\` or \`tf.randomNormal\`, or pass the numbers as an argument.`,
      );
    }
    if (!(values instanceof Probe)) return undefined;
    if (!values.isUnseeded) return values.numbers();
    const standard = standards.get(values.distribution);
    if (!standard) throw new RangeError('take(): the generators were not calibrated.');
    const { distribution } = values;
    return { distribution, shape, dtype, rounds: distribution !== 'uniform', ...affine(values, standard) };
  },
};

function affine(values: Probe, [s0, s1]: readonly [number, number]): { offset: number; scale: number } {
  const [v0 = 0, v1 = 0] = [values[0], values[1]];
  const scale = Math.fround((v1 - v0) / (s1 - s0));
  const offset = v0 - scale * s0;
  return { scale, offset: Math.abs(offset) < 1e-12 * Math.abs(scale) ? 0 : Math.fround(offset) };
}

/** Finds the standard numbers of the known seed, once. */
function calibrate(): void {
  if (standards.size > 0) return;
  const backend = tf.backend();
  const write = Object.getOwnPropertyDescriptor(backend, 'write');
  const seen: Probe[] = [];
  Object.assign(backend, {
    write: (values: unknown) => {
      if (values instanceof Probe) seen.push(values);
      return {};
    },
  });
  try {
    tf.tidy(() => {
      tf.randomUniform([2]);
      tf.randomNormal([2]);
      tf.truncatedNormal([2]);
    });
  } finally {
    if (write) Object.defineProperty(backend, 'write', write);
    else Reflect.deleteProperty(backend, 'write');
  }
  for (const probe of seen) standards.set(probe.distribution, [probe[0] ?? 0, probe[1] ?? 1]);
}
