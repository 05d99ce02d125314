/** What a minibatch was drawn by: as the samples came, or in proportion to their scores. */
export type Phase = 'uniform' | 'importance';

/**
 * The τ gate as the stages see it. One object is shared by presample (how many samples to fetch), resample (draw or
 * pass on) and the trainer (scores of uniform steps); it is passed in, never global.
 */
export interface Gate {
  /** Whether the smoothed τ exceeds the threshold, so that importance sampling pays. */
  readonly isOpen: boolean;
  /** The smoothed τ; 1 until something was observed. */
  readonly tau: number;
  /** Takes note of the scores of a presample, or of a uniform step's own batch, and moves the average. */
  observe(scores: ArrayLike<number>): void;
}

/**
 * Lets a fill of presample begin only when the trainer has done with all but `ahead` of the buffers filled before. With 0
 * (lockstep) every score uses the parameters after the previous step, exactly Algorithm 1, whatever the streams buffer.
 */
export interface Turnstile {
  /** Steps that the trainer has taken: the version of the parameters. */
  readonly version: number;
  /** Resolves when the next fill may begin, and counts it; rejects when `signal` aborts. */
  enter(signal?: AbortSignal): Promise<void>;
  /** Called by the trainer while a step is computed; resolves when what is done meanwhile is done, whether or not it failed. */
  computing?(): Promise<void>;
  /** Says what is to be done while steps are computed, for whoever fills; its errors are its own affair. */
  meanwhile?(work: () => Promise<void>): void;
  /** Called by the trainer after each step. */
  stepped(): void;
  /** Called by the trainer when it has done with a buffer. */
  leave(): void;
  /** Lets everybody through from now on: the trainer has gone. */
  open(): void;
}
