import type { Engine } from '../engine.ts';
import type { ConformanceCase } from './case.ts';
import { cudnnOf } from './cudnn-cases.ts';

interface Gap {
  /** Engines that it concerns. */
  readonly concerns: (engine: Engine) => boolean;
  /** Cases that it concerns, by name. */
  readonly names: RegExp;
  readonly why: string;
}

/** What an engine cannot do, and why. A case that is not named here has to pass. */
const gaps: readonly Gap[] = [
  {
    concerns: (engine) => cudnnOf(engine) === 'absent',
    names: /on cuDNN/u,
    why: 'cuDNN runs on CUDA devices only, with the engine `tensorflow`',
  },
];

/** Why a case is not run on an engine, or nothing. */
export const reasonToSkip = (engine: Engine, { name }: ConformanceCase): string | undefined =>
  gaps.find((gap) => gap.concerns(engine) && gap.names.test(name))?.why;
