import type { FitSummary, Measures, StepRecord, StopReason } from './step-record.ts';

/** Steps whose losses are averaged for the summary's first and last loss. */
const span = 50;

/** What an account holds, as plain values. */
export interface AccountState {
  readonly firstLosses: readonly number[];
  readonly lastLosses: readonly number[];
  readonly openSteps: number;
  readonly tauSum: number;
  readonly waitedMs: number;
  readonly validation: { first?: Measures; last?: Measures; best?: Measures };
  readonly last?: StepRecord;
  readonly samplesDropped?: number;
  readonly samplesByCorpus?: Readonly<Record<string, number>>;
}

/** Keeps account of a run step by step, and sums it up. */
export class Account {
  /** Samples that were left out for their length. */
  samplesDropped = 0;
  /** Samples seen of each corpus of a mixture. */
  #samplesByCorpus: Record<string, number> | undefined;
  #firstLosses: number[] = [];
  #lastLosses: number[] = [];
  #last: StepRecord | undefined;
  #openSteps = 0;
  #tauSum = 0;
  #waitedMs = 0;
  #validation: { first?: Measures; last?: Measures; best?: Measures } = {};

  add(record: StepRecord): void {
    if (this.#firstLosses.length < span) this.#firstLosses.push(record.loss);
    this.#lastLosses.push(record.loss);
    if (this.#lastLosses.length > span) this.#lastLosses.shift();
    if (record.phase === 'importance') this.#openSteps += 1;
    this.#tauSum += record.tau;
    this.#waitedMs += record.waitedMs;
    this.#last = record;
  }

  /** Counts samples that were seen by the corpus of a mixture that they come from. */
  addSamples(ids: readonly string[], partOf: (id: string) => string): void {
    const counts = (this.#samplesByCorpus ??= {});
    for (const id of ids) {
      const part = partOf(id);
      counts[part] = (counts[part] ?? 0) + 1;
    }
  }

  /** Samples seen of each corpus so far; nothing where there is one. */
  get samplesByCorpus(): Readonly<Record<string, number>> | undefined {
    return this.#samplesByCorpus && { ...this.#samplesByCorpus };
  }

  addValidation(measures: Measures): void {
    this.#validation.first ??= measures;
    this.#validation.last = measures;
    const best = this.#validation.best?.['loss'] ?? Number.NaN;
    if (Number.isNaN(best) || measures['loss']! < best) this.#validation.best = measures;
  }

  state(): AccountState {
    return {
      firstLosses: [...this.#firstLosses],
      lastLosses: [...this.#lastLosses],
      openSteps: this.#openSteps,
      tauSum: this.#tauSum,
      waitedMs: this.#waitedMs,
      validation: { ...this.#validation },
      samplesDropped: this.samplesDropped,
      ...(this.#samplesByCorpus && { samplesByCorpus: { ...this.#samplesByCorpus } }),
      ...(this.#last && { last: this.#last }),
    };
  }

  restore(state: AccountState): void {
    this.#firstLosses = [...state.firstLosses];
    this.#lastLosses = [...state.lastLosses];
    [this.#openSteps, this.#tauSum, this.#waitedMs] = [state.openSteps, state.tauSum, state.waitedMs];
    this.#validation = { ...state.validation };
    this.#last = state.last;
    this.samplesDropped = state.samplesDropped ?? 0;
    this.#samplesByCorpus = state.samplesByCorpus && { ...state.samplesByCorpus };
  }

  summary(end: { stoppedBy: StopReason; seconds: number; epochs: number }): FitSummary {
    const { step = 0, samplesSeen = 0, samplesTrained = 0 } = this.#last ?? {};
    return {
      steps: step,
      ...end,
      firstLoss: mean(this.#firstLosses),
      lastLoss: mean(this.#lastLosses),
      openShare: step === 0 ? 0 : this.#openSteps / step,
      meanTau: step === 0 ? 1 : this.#tauSum / step,
      samplesSeen,
      samplesTrained,
      ...(this.samplesDropped > 0 && { samplesDropped: this.samplesDropped }),
      ...(this.#samplesByCorpus && { samplesByCorpus: { ...this.#samplesByCorpus } }),
      samplesPerSecond: samplesTrained / end.seconds,
      waitedShare: this.#waitedMs / 1000 / end.seconds,
      validation: this.#validation,
    };
  }
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
