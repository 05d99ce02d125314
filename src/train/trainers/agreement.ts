import { createHash } from 'node:crypto';
import type * as tf from '@tensorflow/tfjs';
import { ParallelError } from '../../errors.ts';
import type { Minibatch } from '../../stream/minibatch.ts';
import type { StopReason } from '../step-record.ts';
import type { SharedGate } from './shared-gate.ts';
import type { Trainers } from './trainers.ts';

/**
 * Where what trainers say lies in the vector that is summed with their gradients. Behind it, two numbers a trainer: its
 * parameters' checksum, where the rest have zeros, so that the sum holds them all.
 */
export const says = {
  /** Samples of the corpus that the minibatch stands for. */
  count: 0,
  /** 1 of a trainer that has a minibatch. */
  batches: 1,
  fetched: 2,
  trained: 3,
  rate: 4,
  /** τ of the scores that were seen since the last step, and of how many. */
  tau: 5,
  taus: 6,
  threshold: 7,
  /** Whether it wants to stop, and why. */
  signal: 8,
  seconds: 9,
  plateau: 10,
  checksums: 11,
} as const;

/** What is known within a step alone, behind what is said: the loss times its samples, τ of the batch's own scores, and of how many. */
export const measures = { loss: 0, tau: 1, taus: 2, size: 3 } as const;

/** Why a trainer alone may want to stop; every other limit is reached by all at once. */
const ownReasons = ['signal', 'seconds', 'plateau'] as const satisfies readonly StopReason[];

/** Steps from one comparison of all parameters to the next. A guess: reading them costs a copy. */
export const CHECK_EVERY = 100;

/** What all trainers did in a step. */
export interface Heard {
  /** The mean loss, each sample counting alike. */
  readonly loss: number;
  /** The learning rate that was used. */
  readonly rate: number;
  readonly batches: number;
  readonly fetched: number;
  readonly trained: number;
  readonly stop: StopReason | undefined;
}

/** What trainers decide together: it is said with the gradients, and known to all when the step is done. */
export class Agreement {
  readonly #trainers: Trainers;
  readonly #gate: SharedGate;
  readonly #model: tf.LayersModel;
  readonly #wishes = new Set<StopReason>();
  #steps = 0;
  /** What was heard last. */
  heard: Heard | undefined;

  constructor(trainers: Trainers, gate: SharedGate, model: tf.LayersModel) {
    this.#trainers = trainers;
    this.#gate = gate;
    this.#model = model;
  }

  get trainers(): Trainers {
    return this.#trainers;
  }

  /**
   * What ends the run for all. Every trainer counts the same steps; whatever else one has reached, it asks the others to
   * stop with it after the next step.
   */
  ends(reached: StopReason | undefined, signal?: AbortSignal): StopReason | undefined {
    if (reached === 'steps') return reached;
    if (signal?.aborted) this.#wishes.add('signal');
    if (reached) this.#wishes.add(reached);
    return this.heard?.stop;
  }

  /** What this trainer says about a minibatch; without one, that it has none. */
  async say(batch: Minibatch | undefined, rate: number): Promise<Float32Array> {
    const { rank, world } = this.#trainers;
    const said = new Float32Array(says.checksums + 2 * world);
    if (batch) {
      const { presample, size, turn } = batch;
      said[says.count] = presample.size / presample.weight; // a bucket's samples weigh what makes them count alike
      said[says.batches] = 1;
      said[says.fetched] = turn === 0 ? presample.size : 0;
      said[says.trained] = size;
      said[says.rate] = rate;
    }
    const { tau, count } = this.#gate.takeSeen();
    [said[says.tau], said[says.taus]] = [tau, count];
    said[says.threshold] = this.#gate.threshold;
    for (const reason of ownReasons) said[says[reason]] = this.#wishes.has(reason) ? 1 : 0;
    if (this.#steps % CHECK_EVERY === 0) said.set(await checksumOf(this.#model), says.checksums + 2 * rank);
    return said;
  }

  /**
   * Takes note of what all said.
   * @throws {ParallelError} when parameters differ, naming the trainers
   */
  hear(sums: Float32Array): Heard {
    const { world } = this.#trainers;
    const at = (name: keyof typeof says): number => sums[says[name]]!;
    const measured = sums.subarray(says.checksums + 2 * world);
    const taus = at('taus') + measured[measures.taus]!;
    if (this.#steps % CHECK_EVERY === 0) this.#compare(sums.subarray(says.checksums));
    this.#steps += 1;
    if (taus > 0) this.#gate.settle((at('tau') + measured[measures.tau]!) / taus, at('threshold') / world);
    this.heard = {
      loss: measured[measures.loss]! / at('count'),
      rate: at('rate') / at('batches'),
      batches: at('batches'),
      fetched: at('fetched'),
      trained: at('trained'),
      stop: ownReasons.find((reason) => at(reason) > 0),
    };
    return this.heard;
  }

  #compare(checksums: Float32Array): void {
    const of = (rank: number) => checksums.subarray(2 * rank, 2 * rank + 2).join();
    const differing = [...Array.from({ length: this.#trainers.world }).keys()].filter((rank) => of(rank) !== of(0));
    if (differing.length === 0) return;
    throw new ParallelError(
      `Trainers: expected the parameters of rank 0 in each before step ${this.#steps + 1}, but rank ${differing.join(', ')} has others. ` +
        'Start all from the same file, seed and checkpoint; a model that is built with random numbers needs the seed.',
      { differing, step: this.#steps + 1 },
    );
  }
}

/** 48 bits that stand for a model's weights, as two whole numbers that float32 holds. */
async function checksumOf(model: tf.LayersModel): Promise<[number, number]> {
  const hash = createHash('sha256');
  for (const weight of model.weights) {
    const values = await weight.read().data();
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  const digest = hash.digest();
  return [digest.readUIntBE(0, 3), digest.readUIntBE(3, 3)];
}
