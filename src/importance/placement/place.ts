import type { Presample } from '../../stream/presample.ts';
import type { Scorer } from '../model-scorer.ts';

/**
 * A place where presamples are scored, with the parameters of an earlier step: in this process, in another, or on another
 * machine.
 *
 * Its life: `start`; then for each presample to be scored `retain` at the moment that its parameters are settled, `begin`
 * when its samples are there, and `score` when its turn has come; `close` at the end, whatever happened.
 */
export interface ScorePlace extends Scorer {
  /** Resolves when it is ready for work. @throws {TaustreamError} when it cannot be, saying why */
  start(signal?: AbortSignal): Promise<void>;
  /**
   * Says that a presample will be scored with the parameters of this version: those of now if it is a new one. They are
   * taken note of before this returns, so the trainer may go on at once.
   */
  retain(version: number): void;
  /** Begins to score with the parameters of a version that was retained for it. What fails is told by `score`. */
  begin(presample: Presample, version: number): void;
  /** How many steps the parameters had taken that a presample is scored with. */
  versionOf(presample: Presample): number;
  /** Gives up what was begun: nobody waits for it any more. */
  cancel(reason: unknown): void;
  /** Lets go of processes, files and tensors. Never throws. */
  close(): Promise<void>;
}
