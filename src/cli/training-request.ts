import type { FleetChoices } from '../cluster/fleet.ts';
import type { TrainersOptions } from '../cluster/parallel/join-trainers.ts';
import type { MeetOptions } from '../cluster/parallel/meet-trainers.ts';
import type { EngineName } from '../engine/engine.ts';
import { schemeOf } from '../importance/schemes.ts';
import type { Placement } from '../importance/placement/placement-options.ts';
import { type Pipeline, unlimitedFitOptions } from '../pipeline.ts';
import type { Run } from '../report/run-file.ts';
import type { Limits } from '../train/budget.ts';
import type { FitOptions } from '../train/fit-options.ts';
import { modeOf, schemeOfMode } from '../train/modes.ts';

/** What the command line says about a run, before what its pipeline says. */
export interface TrainingRequest {
  /** The pipeline file, as it was given. */
  readonly file: string;
  readonly steps?: number;
  readonly seconds?: number;
  readonly epochs?: number;
  /** Data in place of the pipeline's own. */
  readonly corpus?: string;
  readonly scheme?: string;
  readonly mode?: 'paper' | 'fast';
  readonly engine?: EngineName | 'auto';
  readonly seed?: number;
  /** Where presamples are scored, with which engine, and how far ahead. */
  readonly scoreWhere?: Placement['where'];
  readonly scoreEngine?: EngineName | 'auto';
  readonly scoreAhead?: number;
  /** The run's folder. @default runs/<name> */
  readonly out?: string;
  /** Seconds between checkpoints. @default 60, unless `checkpointSteps` is given */
  readonly checkpointEvery?: number;
  /** Steps between checkpoints. */
  readonly checkpointSteps?: number;
  /** Checkpoints kept. @default 2 */
  readonly keep?: number;
  /** Whether the ids of every minibatch are written too, to `ids.jsonl`. */
  readonly recordIds?: boolean;
  /** The fleet that makes its minibatches. @default this process does */
  readonly fleet?: Omit<FleetChoices, 'corpus' | 'onNote' | 'onStatus'>;
  /** Goes on with a run that was stopped: its folder, or `true` for `runs/<name>`. */
  readonly resume?: string | true;
  /** Addresses of all trainers that train this run together, and which of them this one is. */
  readonly trainers?: string;
  readonly rank?: number;
  /** How they sum their gradients. @default 'auto' */
  readonly sum?: NonNullable<TrainersOptions['sum']>;
  /** Where they meet, if not at addresses: then `trainers` is how many there are. */
  readonly meeting?: Omit<MeetOptions, 'count' | 'rank' | 'run'> & { readonly run?: string };
}

/**
 * The command line's word before the pipeline's. A limit there takes the place of all limits of the pipeline, and of
 * those that a run which goes on began with.
 */
export function fitOptionsOf(pipeline: Pipeline, request: TrainingRequest, before: Run | undefined): FitOptions {
  const own = unlimitedFitOptions(pipeline);
  const limited = (request.steps ?? request.seconds ?? request.epochs) !== undefined;
  const limits: Limits = limited ? request : ((before?.options as Limits | undefined) ?? pipeline.options);
  const scheme = request.scheme ?? own.scheme;
  const score = placementOf(request);
  return {
    ...own,
    ...(score && { score: { ...own.score, ...score } }),
    ...(limits.steps !== undefined && { steps: limits.steps }),
    ...(limits.seconds !== undefined && { seconds: limits.seconds }),
    ...(limits.epochs !== undefined && { epochs: limits.epochs }),
    ...(scheme !== undefined && { scheme }),
    ...(request.mode !== undefined && { mode: request.mode }),
  };
}

/** What the command line says of where presamples are scored; it takes the place of its namesakes alone. */
function placementOf({
  scoreWhere: where,
  scoreEngine: engine,
  scoreAhead: ahead,
}: TrainingRequest): FitOptions['score'] {
  const said = Object.entries({ where, engine, ahead }).filter(([, value]) => value !== undefined);
  return said.length === 0 ? undefined : Object.fromEntries(said);
}

/** Options as JSON can hold them: a scheme by its name, a function by the word. */
export const plainly = (options: FitOptions): Record<string, unknown> => {
  const mode = modeOf(options);
  const named = Object.entries(options).map(
    ([name, value]) => [name, typeof value === 'function' ? 'a function' : value] as const,
  );
  return {
    mode,
    ...Object.fromEntries<unknown>(named),
    scheme: schemeOf(options.scheme ?? schemeOfMode(mode)).name,
  };
};
