import { EngineError } from '../../../errors.ts';

/** Whether cuDNN computes LSTMs: not asked yet, it does, or it turned out not to work here. */
export type CudnnState = 'untried' | 'on' | 'off';

/**
 * Largest error |a - b| / (1 + |b|) that cuDNN may have. Its products may round factors to TF32, 10 bits after the point
 * and so 5e-4 each; weights in the wrong place are off by 0.1 and more.
 */
const tolerance = 5e-3;

/**
 * Whether LSTMs run on cuDNN. At the first use it is held against the LSTM of plain operations; where it differs or fails,
 * then or later, it is off for good, with one warning, and loops are used.
 */
export class CudnnSwitch {
  #state: CudnnState = 'untried';
  readonly #deviation: () => number;

  /** @param deviation the largest error found in a trial, as `tolerance` defines it */
  constructor(deviation: () => number) {
    this.#deviation = deviation;
  }

  get state(): CudnnState {
    return this.#state;
  }

  /** Whether to use cuDNN; the first call tries it. */
  usable(): boolean {
    if (this.#state === 'untried') this.#try();
    return this.#state === 'on';
  }

  #try(): void {
    try {
      const deviation = this.#deviation();
      if (deviation <= tolerance) this.#state = 'on';
      else this.#turnOff(`its results are off by ${deviation.toExponential(1)}, and ${tolerance} is allowed.`);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      this.#turnOff(error.message);
    }
  }

  /** Turns cuDNN off if `error` is of its making. @returns whether what failed so should be run again */
  giveUp(error: unknown): boolean {
    if (this.#state !== 'on' || !(error instanceof EngineError)) return false;
    // "Failed to call DoRnnForward with model config", "cudnnRNNForward( … )", "Op 'CudnnRNNV3'"
    if (!/cudnnrnn|rnn(?:forward|backward)|rnndesc/iu.test(String(error.facts['tensorflow']))) return false;
    this.#turnOff(error.message);
    return true;
  }

  #turnOff(why: string): void {
    this.#state = 'off';
    process.emitWarning(`cuDNN's LSTM does not work here, so LSTM layers run as loops, somewhat slower: ${why}`, {
      code: 'TAUSTREAM_NO_CUDNN',
    });
  }
}
