import type { FitSettings } from '../fit-options.ts';
import type { FitSummary, StepRecord } from '../step-record.ts';
import type { Round } from './fine-tuning-options.ts';

type Limits = Pick<FitSettings, 'steps' | 'seconds' | 'epochs'>;

const sumOfShares = (rounds: readonly Round[]) => rounds.reduce((total, { share }) => total + share, 0);

/** What the rounds that are over have done, and what the run says of itself therefore. */
export class Totals {
  readonly #rounds: readonly Round[];
  readonly #limits: Limits;
  readonly #done: FitSummary[];

  /** @param limits the whole run's */
  constructor(rounds: readonly Round[], limits: Limits, done: readonly FitSummary[] = []) {
    this.#rounds = rounds;
    this.#limits = limits;
    this.#done = [...done];
  }

  add(summary: FitSummary): void {
    this.#done.push(summary);
  }

  /**
   * A round's limits: its share of what is left of the run's, in whole numbers of at least 1, and its own number of steps.
   * What a round leaves unused is the later ones'.
   */
  limits(): Limits {
    const { steps, seconds, epochs } = this.#limits;
    const round = this.#rounds[this.#done.length]!;
    const part = this.#part();
    const whole = (limit: number, used: number) => Math.max(1, Math.round((limit - used) * part));
    const own = steps === undefined ? Infinity : whole(steps, this.#sum('steps'));
    const most = Math.min(own, round.steps ?? Infinity);
    return {
      steps: Number.isFinite(most) ? most : undefined,
      seconds: seconds === undefined ? undefined : Math.max(1e-3, (seconds - this.#sum('seconds')) * part),
      epochs: epochs === undefined ? undefined : whole(epochs, this.epochs),
    };
  }

  get epochs(): number {
    return this.#sum('epochs');
  }

  /** A record of the round under way, as one of the whole run. */
  shifted(record: StepRecord): StepRecord {
    return {
      ...record,
      ...this.progress(record),
      samplesSeen: record.samplesSeen + this.#sum('samplesSeen'),
      samplesTrained: record.samplesTrained + this.#sum('samplesTrained'),
    };
  }

  /** Step, seconds and share of the whole run, from those of the round under way. */
  progress(own: Readonly<Record<string, unknown>> | StepRecord): Pick<StepRecord, 'step' | 'seconds' | 'share'> {
    const { step, seconds, share } = own as Pick<StepRecord, 'step' | 'seconds' | 'share'>; // a run's progress
    const used = this.#used();
    return {
      step: step + this.#sum('steps'),
      seconds: seconds + this.#sum('seconds'),
      share: Math.min(1, used + share * (1 - used) * this.#part()),
    };
  }

  /** The part of what is left that is the round's. */
  #part(): number {
    const left = this.#rounds.slice(this.#done.length);
    return left.length === 0 ? 0 : left[0]!.share / sumOfShares(left);
  }

  /** The share of the run's limits that the rounds before have used: less than was theirs, where one ended early. */
  #used(): number {
    const names = ['steps', 'seconds', 'epochs'] as const;
    return Math.min(1, Math.max(...names.map((name) => this.#sum(name) / (this.#limits[name] ?? Infinity))));
  }

  /** Plain values, for a checkpoint. */
  state(): readonly FitSummary[] {
    return [...this.#done];
  }

  /** The rounds as one run. */
  summary(): FitSummary {
    const last = this.#done.at(-1)!;
    const [steps, seconds] = [this.#sum('steps'), this.#sum('seconds')];
    const byStep = (value: (summary: FitSummary) => number) =>
      steps === 0 ? 0 : this.#done.reduce((sum, summary) => sum + summary.steps * value(summary), 0) / steps;
    const bests = this.#done.flatMap(({ validation: { best } }) => (best ? [best] : []));
    const best = bests.toSorted((a, b) => (a['loss'] ?? 0) - (b['loss'] ?? 0))[0];
    const first = this.#done[0]!.validation.first;
    return {
      ...last,
      steps,
      seconds,
      epochs: this.epochs,
      firstLoss: this.#done[0]!.firstLoss,
      openShare: byStep(({ openShare }) => openShare),
      meanTau: byStep(({ meanTau }) => meanTau),
      samplesSeen: this.#sum('samplesSeen'),
      samplesTrained: this.#sum('samplesTrained'),
      samplesPerSecond: this.#sum('samplesTrained') / seconds,
      waitedShare: this.#done.reduce((sum, own) => sum + own.waitedShare * own.seconds, 0) / seconds,
      validation: {
        ...(first && { first }),
        ...(last.validation.last && { last: last.validation.last }),
        ...(best && { best }),
      },
    };
  }

  #sum(field: 'steps' | 'seconds' | 'epochs' | 'samplesSeen' | 'samplesTrained'): number {
    return this.#done.reduce((sum, summary) => sum + summary[field], 0);
  }
}
