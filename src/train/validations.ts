import type { Head } from '../model/head.ts';
import type { Account } from './account.ts';
import type { Budget } from './budget.ts';
import type { EarlyStopping } from './early-stopping.ts';
import { evaluate } from './evaluate.ts';
import type { FitOptions, FitSettings } from './fit-options.ts';
import type { Measures } from './step-record.ts';
import type { Trainer } from './trainer.ts';

interface ValidationsOptions {
  readonly head: Head;
  readonly values: FitSettings;
  readonly options: FitOptions;
  readonly trainer: Trainer;
  readonly budget: Budget;
  readonly account: Account;
  readonly stopping: EarlyStopping | undefined;
}

/** Measures a model on the validation corpus when it is time, outside the budget, with the averaged weights if there are any. */
export class Validations {
  readonly #run: ValidationsOptions;
  /** Spread validations that were due so far. */
  #done = 0;
  /** Steps taken at the last one. */
  #at: number | undefined;

  constructor(run: ValidationsOptions) {
    this.#run = run;
  }

  /** Goes on with a run that had those validations that were due by now. */
  resume(): void {
    this.#done = this.#spread();
  }

  /** Measures at the end of a run, unless its last step was measured already. */
  async atEnd(): Promise<void> {
    if (this.#at !== this.#run.budget.steps) await this.now();
  }

  async ifDue(): Promise<Measures | undefined> {
    const { budget, values } = this.#run;
    const { validateEvery: every, validations } = values;
    const { share } = budget.progress();
    const isSpread = this.#done < validations && share < 1 && share >= (this.#done + 1) / (validations + 1);
    if (isSpread) this.#done = Math.max(this.#done + 1, this.#spread());
    const isRegular = typeof every === 'number' && every > 0 && budget.steps % every === 0;
    return isSpread || isRegular ? this.now() : undefined;
  }

  /** How many of the spread ones are due by now. */
  #spread(): number {
    return Math.floor(this.#run.budget.progress().share * (this.#run.values.validations + 1));
  }

  async now(): Promise<Measures | undefined> {
    const { head, values, options, trainer, budget, account, stopping } = this.#run;
    const { validation, deriveMeasures = (measures) => measures } = options;
    if (!validation) return undefined;
    const { validationSamples: limit, scoreBatchSize: batchSize, lengths } = values;
    this.#at = budget.steps;
    trainer.swapAverages();
    try {
      const measures = deriveMeasures(
        await budget.uncounted(() => evaluate(head, validation, { batchSize, limit, lengths })),
      );
      stopping?.observe(measures, head.model);
      account.addValidation(measures);
      return measures;
    } finally {
      trainer.swapAverages();
    }
  }
}
