import { z } from 'zod';
import { engineNames } from '../../engine/engine.ts';

/** Where scores are computed, and how far ahead of the trainer. */
export const PlacementOptions = z
  .strictObject({
    /** In this process, or in one of its own that works while the trainer trains. @default 'inline' */
    where: z.enum(['inline', 'process']).default('inline'),
    /** The engine of the scoring process. @default the trainer's */
    engine: z.enum([...engineNames, 'auto']).optional(),
    /** Options of that engine, such as `{ intraOpThreads: 1, interOpThreads: 1 }` for `tensorflow`. @default none */
    engineOptions: z.record(z.string(), z.unknown()).optional(),
    /**
     * Presamples scored ahead of the trainer: presample n is scored with the parameters that followed presample n − ahead
     * − 1. With 0 the scores are as fresh as in Algorithm 1, and nothing overlaps.
     * @default 0 inline; 1 in a process – bench/placement.ts: with 2 the scores are older, and no step is faster
     */
    ahead: z.int().min(0).max(64).optional(),
    /** Steps after which the parameters are sent again; in between, scores are as much older. @default 1 */
    parametersEvery: z.int().positive().default(1),
    /**
     * A file that the scoring process imports first: it registers custom layers, and exports `loss` if the model's is a
     * function, and `scheme` if the scheme is not one of those with a name.
     */
    module: z.string().min(1).optional(),
    /** Seconds without a word after which a scoring process counts as hung: while it starts, or over one presample. @default 60 – guess */
    timeoutSeconds: z.number().positive().max(86_400).default(60),
  })
  .superRefine(({ where, engine, engineOptions, module }, context) => {
    if (where === 'process') return;
    for (const [name, value] of Object.entries({ engine, engineOptions, module }))
      if (value !== undefined)
        context.addIssue({
          code: 'custom',
          path: [name],
          message: "needs `where: 'process'`: a process has one engine, and its modules are loaded already",
        });
  });

/** Where scores are computed, checked. */
export type Placement = Readonly<z.output<typeof PlacementOptions>>;

/** How many presamples are scored ahead. */
export const aheadOf = ({ where, ahead }: Placement): number => ahead ?? (where === 'process' ? 1 : 0);
