import { z } from 'zod';
import { AugmentOptions } from '../../corpus/augment/augment.ts';
import { ScheduleOptions } from '../schedule.ts';

const share = z.number().min(0).max(1);

/** One round of fine-tuning: which part of the network is trained, for how long and how fast. */
export const Round = z.strictObject({
  /**
   * What is trained, counted from the output: the new head; the head and that many blocks; everything behind a layer; or
   * all. A round trains at least what the one before it did.
   */
  train: z.union([
    z.literal('head'),
    z.literal('all'),
    z.int().positive(),
    z.strictObject({ after: z.string().min(1) }),
  ]),
  /** Its part of the run's budget, relative to the other rounds'. @default 1 */
  share: z.number().positive().default(1),
  /** Steps after which it ends in any case; what it leaves of the budget is the later rounds'. */
  steps: z.int().positive().optional(),
  /** A rate, or a schedule over the round. @default the run's */
  learningRate: z.union([z.number().positive(), ScheduleOptions]).optional(),
  /** What the learning rate is multiplied with below the head. @default 1 */
  trunkRate: share.default(1),
  /** What it is multiplied with again for each block further from the head. @default 1 */
  depthDecay: share.default(1),
  /**
   * Begins a round that trains the head alone at the ridge regression of the targets on the features. This is its
   * penalty, relative to the features' mean squared length about their mean. @default the weights that the head has
   */
  ridge: z.number().positive().optional(),
  /** Features cached of each sample: of as many augmentations, or passes over a corpus that augments itself. @default 1 */
  views: z.int().min(1).max(1000).default(1),
});
export type Round = z.output<typeof Round>;

export const FineTuningOptions = z
  .strictObject({
    rounds: z.array(Round).min(1),
    /** How pixels are augmented, in each view of a round but the first. @default not at all */
    augment: AugmentOptions.optional(),
    /** Share of a target that is spread evenly over the classes, in [0, 1). @default 0 */
    labelSmoothing: z.number().min(0).lt(1).default(0),
    /** α of mixup, applied to what the trained part takes; 0 mixes nothing. @default 0 */
    mixup: z.number().min(0).default(0),
    /** What each class' losses are multiplied with; `balanced` makes all classes weigh the same. @default 'none' */
    classWeights: z.union([z.enum(['none', 'balanced']), z.array(z.number().nonnegative()).min(2)]).default('none'),
    /** Whether batch normalisations keep the statistics that they have, or use and update the batch's. @default 'frozen' */
    batchNorm: z.enum(['frozen', 'batch']).default('frozen'),
    /** Bytes of features in memory; past that they go to a temporary file. @default 256 MiB – guess */
    cacheBytes: z
      .int()
      .min(0)
      .default(2 ** 28),
    /** Where that file goes. @default the system's folder for temporary files */
    cacheFolder: z.string().min(1).optional(),
  })
  .refine((o) => o.rounds.every(({ train, ridge }) => ridge === undefined || train === 'head'), {
    path: ['rounds'],
    error: "`ridge` belongs to a round that trains the 'head' alone",
  })
  .refine((o) => !o.augment || o.rounds.every(({ train }) => train !== 'all'), {
    path: ['augment'],
    error: "is done to what is cached, and a round that trains 'all' caches nothing: augment the corpus itself",
  });
export type FineTuningOptions = z.output<typeof FineTuningOptions>;
