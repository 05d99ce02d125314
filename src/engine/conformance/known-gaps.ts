import type { EngineName } from '../engine.ts';
import type { ConformanceCase } from './case.ts';

interface Gap {
  readonly engine: EngineName;
  /** Cases that it concerns, by name. */
  readonly names: RegExp;
  readonly why: string;
}

/** What an engine cannot do, and why. A case that is not named here has to pass. */
const gaps: readonly Gap[] = [];

/** Why a case is not run on an engine, or nothing. */
export const reasonToSkip = (engine: EngineName, { name }: ConformanceCase): string | undefined =>
  gaps.find((gap) => gap.engine === engine && gap.names.test(name))?.why;
