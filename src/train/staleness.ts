import type { ScorePlace } from '../importance/placement/place.ts';
import { freshTau } from '../resample/fresh-tau.ts';
import type { Minibatch } from '../stream/minibatch.ts';
import type { Parts } from './parts.ts';
import type { StepRecord } from './step-record.ts';

/** Starts the place where scores are computed, if there is one. @throws {TaustreamError} when it does not start */
export async function startPlace(place: Pick<ScorePlace, 'start'> | undefined, signal?: AbortSignal): Promise<void> {
  await place?.start(signal).catch((error: unknown) => {
    if (!signal?.aborted) throw error; // else the run ends before its first step, as it does without a place
  });
}

/** How old the scores were that a step was drawn by, and what that made of their τ. */
export function stalenessOf(
  { phase, version, drawTau, weights }: Minibatch,
  { turnstile, observed, chooser, place, source }: Parts,
): Pick<StepRecord, 'age' | 'drawTau' | 'freshTau'> {
  if (phase === 'uniform') return {};
  const fresh = (place ?? source) && !chooser.selection && observed.stepScores;
  return { age: turnstile.version - version, drawTau, ...(fresh && { freshTau: freshTau(weights, fresh) }) };
}
