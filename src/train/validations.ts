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
  #done = 0;

  constructor(run: ValidationsOptions) {
    this.#run = run;
  }

  async ifDue(): Promise<Measures | undefined> {
    const { budget, values } = this.#run;
    const { validateEvery: every, validations } = values;
    const { share } = budget.progress();
    const isSpread = this.#done < validations && share < 1 && share >= (this.#done + 1) / (validations + 1);
    if (isSpread) this.#done = Math.floor(share * (validations + 1));
    const isRegular = typeof every === 'number' && every > 0 && budget.steps % every === 0;
    return isSpread || isRegular ? this.now() : undefined;
  }

  async now(): Promise<Measures | undefined> {
    const { head, values, options, trainer, budget, account, stopping } = this.#run;
    const { validation, deriveMeasures = (measures) => measures } = options;
    if (!validation) return undefined;
    const { validationSamples: limit, scoreBatchSize: batchSize, lengths } = values;
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
