import { z } from 'zod';
import { Seed } from '../options.ts';

/** How a step is compiled. Engines that run each operation as it comes check the options, and need none of them. */
export const CompileOptions = z.strictObject({
  /** Compiles the function with XLA: for GPUs; on CPUs TensorFlow's own kernels are faster. @default false */
  xla: z.boolean().default(false),
  /** Functions kept, one for each structure, shape and type of the arguments. @default 16 – guess */
  signatures: z.int().min(1).default(16),
  /**
   * Lets a call come back while TensorFlow still computes on the CPU, so that the host can do something else. Reading a
   * result waits for it; what fails as it runs then fails at that read, or at the step's next call, and the variables are
   * what they were before. One call at a time is under way. @default false
   */
  later: z.boolean().default(false),
  /** Seed of the random numbers drawn within the step. @default the engine's seed */
  seed: Seed.optional(),
});
export type CompileOptions = z.input<typeof CompileOptions>;
