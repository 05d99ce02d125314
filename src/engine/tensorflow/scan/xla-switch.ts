import { EngineError } from '../../../errors.ts';

/**
 * Whether loops are compiled by XLA. It is turned off for good when XLA turns out not to work on this machine: the loops
 * then run as TensorFlow's own, somewhat slower.
 */
export class XlaSwitch {
  #on: boolean;

  constructor(on: boolean) {
    this.#on = on;
  }

  get on(): boolean {
    return this.#on;
  }

  /** Turns XLA off if `error` is of its making. @returns whether a step that failed so should be traced again */
  giveUp(error: unknown): boolean {
    if (!this.#on || !(error instanceof EngineError) || !/xla|llvm/iu.test(String(error.facts['tensorflow'])))
      return false;
    this.#on = false;
    process.emitWarning(
      `XLA does not work on this machine, so recurrent layers are somewhat slower: ${error.message}`,
      {
        code: 'TAUSTREAM_NO_XLA',
      },
    );
    return true;
  }
}
