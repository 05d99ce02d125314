import { closeSync } from 'node:fs';
import { z } from 'zod';
import * as tf from '@tensorflow/tfjs';
import type { Engine } from '../../engine/engine.ts';
import { activeEngine } from '../../engine/use-engine.ts';
import type { TensorflowEngine } from '../../engine/tensorflow/tensorflow-engine.ts';
import { EngineError, ParallelError, messageOf } from '../../errors.ts';
import { parseOptions } from '../../options.ts';
import type { Trainers } from '../../train/trainers/trainers.ts';
import { listenBriefly, parseAddresses, showAddress, tensorflowAddress, type Address } from './addresses.ts';
import { lostError } from './mesh.ts';
import { canShareMemory } from './shared/futex.ts';
import { forgetSharedFile, makeSharedFile, openSharedFile } from './shared/shared-file.ts';
import { BrokenSumError, headerBytes, SharedSum } from './shared/shared-sum.ts';
import { Watch } from './watch.ts';
import type { Ending } from './watch-thread.ts';

export const TrainersOptions = z.strictObject({
  /** Every trainer's `host:port`, by rank, with commas between. Each uses the port after its own, too. */
  addresses: z.string(),
  /** Which of them this one is, from 0. */
  rank: z.int().nonnegative(),
  /**
   * How gradients are summed: through memory that all share, on one machine with Linux, or by TensorFlow over the network.
   * @default 'auto' – shared memory wherever all trainers find it and compute on CPUs
   */
  sum: z.enum(['auto', 'grpc', 'shared']).default('auto'),
  /** What has to be the same for all, by name: seed, file and the like. @default nothing */
  job: z.record(z.string(), z.string()).default({}),
  /** Seconds to wait until all have come. @default 120 – guess: the slowest may have to open its corpus */
  joinSeconds: z.number().positive().default(120),
  /** Seconds without a word after which a trainer counts as lost; a process that dies is noticed at once. @default 15 – guess */
  silentSeconds: z.number().positive().default(15),
  /** Seconds that a step waits for a trainer that lives, but does not take it. @default 1800 – guess: a validation may be long */
  stepSeconds: z.number().positive().default(1800),
});
export type TrainersOptions = z.input<typeof TrainersOptions>;

/** The trainers of a run, joined. */
export interface JoinedTrainers extends Trainers {
  /** Leaves the others. @param reason why, where it is not the end of the run: it ends theirs, too */
  leave(reason?: string): Promise<void>;
}

/**
 * Joins the trainers of one run in other processes, to be given to `fit` as `trainers`. On one machine gradients are
 * summed through memory that the processes share, else by TensorFlow's own distributed runtime: over gRPC between CPUs, by
 * NCCL between GPUs. Once a process: TensorFlow cannot join another group afterwards.
 *
 * @throws {ParallelError} when the engine is not `tensorflow`, an address or port cannot be used, a trainer does not come,
 *   or has another list, rank or job
 * @throws {OptionsError} when an option is unknown or out of range
 * @example
 * await useEngine('tensorflow');
 * const trainers = await joinTrainers({ addresses: '10.0.0.1:4700,10.0.0.2:4700', rank: 0 });
 * await fit(model, corpus, { steps: 1000, scheme: 'upper-bound', trainers });
 * await trainers.leave();
 */
export async function joinTrainers(input: TrainersOptions): Promise<JoinedTrainers> {
  const { rank, joinSeconds, silentSeconds, stepSeconds, sum, ...options } = parseOptions(
    'joinTrainers()',
    TrainersOptions,
    input,
  );
  const job = { ...options.job, sum };
  const addresses = parseAddresses(options.addresses);
  expectRank(rank, addresses);
  const engine = tensorflow(activeEngine());
  const canShare = canShareMemory() && sum !== 'grpc' && (sum === 'shared' || !engine.isGpu);
  const world = addresses.length;
  const made = canShare && rank === 0 ? makeSharedFile(headerBytes(world)) : undefined;
  const watch = new Watch({
    addresses,
    rank,
    job,
    joinSeconds,
    silentSeconds,
    sum,
    memory: made && { name: made.name, token: made.token },
  });
  let fd = made?.fd;
  try {
    const memory = await watch.joined();
    fd ??= canShare && memory ? openSharedFile(memory) : undefined;
    const isShared = (await watch.agreed(fd !== undefined)) === 'shared';
    const place = { rank, world, stepSeconds };
    if (fd !== undefined && !isShared) {
      closeSync(fd);
      fd = undefined;
    }
    const summing =
      fd === undefined ? await overNetwork(engine, addresses, place) : throughMemory(engine, { ...place, fd });
    await watch.begun(summing.ending);
    return trainersOf(summing, watch, { addresses, rank, silentSeconds });
  } catch (error) {
    if (fd !== undefined) closeSync(fd); // nothing is mapped before the first sum
    await watch.leave(messageOf(error));
    throw error;
  } finally {
    if (made) forgetSharedFile(made); // all have it open
  }
}

/** A way to sum. */
interface Summing extends Pick<Trainers, 'sum' | 'sums'> {
  readonly ending: Ending;
  /** Gives back what the process holds for it; nothing can be summed afterwards. */
  close?(this: void): void;
}

interface Place {
  readonly rank: number;
  readonly world: number;
  readonly stepSeconds: number;
}

function throughMemory(engine: TensorflowEngine, options: Place & { readonly fd: number }): Summing {
  const shared = new SharedSum(options);
  return {
    sums: 'between',
    sum: (tensor) =>
      tf.tensor(
        shared.sum(tensor.size, (own) => engine.readInto(tensor, own)),
        tensor.shape,
      ),
    ending: { ended: shared.ended },
    close: () => shared.close(),
  };
}

async function overNetwork(engine: TensorflowEngine, addresses: readonly Address[], { rank, stepSeconds }: Place) {
  await expectFree(tensorflowAddress(addresses[rank]!));
  const listening = addresses.map((address) => showAddress(tensorflowAddress(address)));
  const { sum, abortHandle } = engine.joinCluster({ addresses: listening, rank, timeoutSeconds: stepSeconds });
  return { sum, ending: { abort: abortHandle } } satisfies Summing;
}

function trainersOf(
  { sum, sums = 'within', close }: Summing,
  watch: Watch,
  { addresses, rank, silentSeconds }: { addresses: readonly Address[]; rank: number; silentSeconds: number },
): JoinedTrainers {
  return {
    rank,
    world: addresses.length,
    sums,
    sum,
    explain: async (error) => {
      if (!(error instanceof EngineError || error instanceof BrokenSumError)) return error;
      const lost = await watch.lost(1000 * silentSeconds); // a broken sum may be noticed before its cause
      return lost ? lostError(lost, addresses, error) : error;
    },
    leave: async (reason) => {
      await watch.leave(reason);
      close?.();
    },
  };
}

function expectRank(rank: number, addresses: readonly Address[]): void {
  if (rank < addresses.length) return;
  throw new ParallelError(
    `--rank: expected a number from 0 to ${addresses.length - 1}, for there are ${addresses.length} trainers, got ${rank}. Give each trainer its own.`,
    { rank, world: addresses.length },
  );
}

/** TensorFlow would take a port that somebody has for a failure of its own. */
async function expectFree(address: Address): Promise<void> {
  if ((await listenBriefly(address.host, address.port)) !== undefined) return;
  throw new ParallelError(
    `Trainers: expected ${showAddress(address)} to be free for TensorFlow, the port after the trainer's own, but it cannot be listened at. Choose another pair of ports, on an address of this machine.`,
    { address: showAddress(address) },
  );
}

/** The engine, if it can sum over processes. */
function tensorflow(engine: Engine | undefined): TensorflowEngine {
  if (engine && canJoin(engine)) return engine;
  throw new ParallelError(
    `Trainers: expected the engine \`tensorflow\`, which alone can sum gradients over processes, got ${engine ? `\`${engine.name}\`` : 'none'}. ` +
      'Install it with `npx taustream engine install`, and train with `--engine tensorflow`.',
    { engine: engine?.name },
  );
}

const canJoin = (engine: Engine): engine is TensorflowEngine => engine.name === 'tensorflow' && 'joinCluster' in engine;
