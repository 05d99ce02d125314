import { EngineError } from '../../../errors.ts';
import type { Retry } from '../compile/compile-step.ts';

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

  /**
   * Turns XLA off if `error` seems to be of its making. If the step fails without XLA too, it was not: XLA is on again.
   * @returns how to end the step's second try, or nothing when there is no use in one
   */
  giveUp(error: unknown): Retry | undefined {
    if (!this.#on || !(error instanceof EngineError) || !/xla|llvm/iu.test(String(error.facts['tensorflow'])))
      return undefined;
    this.#on = false;
    return {
      failed: () => {
        this.#on = true;
      },
      succeeded: () =>
        process.emitWarning(
          `XLA does not work on this machine, so recurrent layers are somewhat slower: ${error.message}`,
          { code: 'TAUSTREAM_NO_XLA' },
        ),
    };
  }
}
