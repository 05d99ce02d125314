import type { Colors } from 'picocolors/types.js';
import type { Measures, StepRecord } from '../train/step-record.ts';
import { bytes, duration, percent, significant, whole, words } from './format.ts';
import { Sparkline } from './sparkline.ts';

/** Where progress goes: stderr, or a test's list. */
export interface ProgressOutput {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface ProgressOptions {
  readonly output: ProgressOutput;
  readonly colors: Colors;
  /** Milliseconds between two lines; by default 100 on a terminal, where a line is redrawn, and 5,000 elsewhere. */
  readonly everyMs?: number;
  /** Milliseconds, for tests. @default performance.now */
  readonly now?: () => number;
}

/**
 * Shows how a run goes: one line redrawn on a terminal, plain lines now and then elsewhere. Steps between two lines cost
 * next to nothing.
 */
export class Progress {
  readonly #output: ProgressOutput;
  readonly #colors: Colors;
  readonly #everyMs: number;
  readonly #now: () => number;
  readonly #losses = new Sparkline(16);
  #shownAt = -Infinity;
  #last: StepRecord | undefined;
  #validation: Measures | undefined;
  #shown: StepRecord | undefined;
  #waitedMs = 0;
  #drawn = false;

  constructor({ output, colors, everyMs, now = () => performance.now() }: ProgressOptions) {
    this.#output = output;
    this.#colors = colors;
    this.#everyMs = everyMs ?? (output.isTTY ? 100 : 5000);
    this.#now = now;
  }

  step(record: StepRecord): void {
    this.#losses.add(record.loss);
    this.#last = record;
    this.#waitedMs += record.waitedMs;
    if (record.validation) this.#validation = record.validation;
    const now = this.#now();
    if (now - this.#shownAt < this.#everyMs) return;
    this.#shownAt = now;
    this.#show(record);
  }

  /** A line of its own, above the line that is redrawn. */
  note(line: string): void {
    this.#clear();
    this.#output.write(`${line}\n`);
  }

  /** Shows the last step and leaves the line standing. */
  end(): void {
    if (!this.#last) return;
    if (this.#last !== this.#shown) this.#show(this.#last);
    if (this.#output.isTTY) this.#output.write('\n');
    this.#drawn = false;
  }

  #show(record: StepRecord): void {
    const parts = this.#parts(record);
    this.#shown = record;
    this.#waitedMs = 0;
    this.#clear();
    if (!this.#output.isTTY) {
      this.#output.write(`${parts.join(' | ')}\n`);
      return;
    }
    this.#output.write(fitting(parts, (this.#output.columns ?? 80) - 1).join(this.#colors.dim(' │ ')));
    this.#drawn = true;
  }

  #clear(): void {
    if (this.#drawn) this.#output.write('\r\u001B[2K');
    this.#drawn = false;
  }

  /** The most important first: what does not fit on the line is left out from the end. */
  #parts(record: StepRecord): string[] {
    // Rates are those since the last line, so that they show what is going on now.
    const seconds = record.seconds - (this.#shown?.seconds ?? 0);
    const samples = record.samplesTrained - (this.#shown?.samplesTrained ?? 0);
    const left = (record.seconds * (1 - record.share)) / record.share;
    const measured = Object.entries(this.#validation ?? {}).filter(
      ([name], _, all) => name !== 'loss' || all.length === 1,
    );
    return [
      `step ${whole(record.step)} ${percent(record.share)}`,
      `loss ${significant(record.loss)}${this.#output.isTTY ? ` ${this.#losses.toString()}` : ''}`,
      ...measured.map(([name, value]) => `validation ${words(name)} ${significant(value)}`),
      `τ ${record.tau.toFixed(record.tau < 1.1 ? 4 : 2)} gate ${record.gate}`,
      ...(seconds > 0
        ? [`${whole(samples / seconds)} samples/s`, `waited ${percent(this.#waitedMs / 1000 / seconds)}`]
        : []),
      ...(record.share > 0 && record.share < 1 ? [`${duration(left)} left`] : []),
      bytes(record.rssBytes),
    ];
  }
}

/** As many of the parts as fit, three characters between two. No part has a wide character. */
function fitting(parts: readonly string[], columns: number): string[] {
  let room = columns + 3;
  const fit = parts.findIndex((part) => (room -= part.length + 3) < 0);
  return fit < 0 ? [...parts] : [parts[0]!.slice(0, columns), ...parts.slice(1, fit)];
}
