/** Runs of the comparison as lines of a file, added as they end; what is there already is not run again. */
import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ComparedRun } from '../../src/report/compare/compare.ts';
import type { RunBudget } from '../../src/report/compare/verdict.ts';
import type { Measures } from '../../src/train/step-record.ts';

/** One run. */
export interface Result {
  readonly task: string;
  readonly scheme: string;
  readonly seed: number;
  /** The peak rate, over the task's own. */
  readonly rate: number;
  readonly budget: RunBudget;
  readonly steps: number;
  readonly openShare: number;
  readonly meanTau: number;
  readonly trainLoss: number;
  readonly measures: Measures;
  /** Seconds by the wall and of the processor, measuring included, and the machine's load: how busy it was. */
  readonly wallSeconds: number;
  readonly processorSeconds: number;
  readonly load: number;
  readonly engine: string;
}

/** What tells a run from every other. */
export type Key = Pick<Result, 'task' | 'scheme' | 'seed' | 'rate' | 'budget'>;

const keyOf = ({ task, scheme, seed, rate, budget: { seconds, steps, clock = 'wall' } }: Key) =>
  [task, scheme, seed, rate, seconds ?? `${steps} steps`, clock].join(' ');

export const sameBudget = (a: RunBudget, b: RunBudget): boolean =>
  a.seconds === b.seconds && a.steps === b.steps && (a.clock ?? 'wall') === (b.clock ?? 'wall');

/** The results in a file; in memory alone without one. */
export class Results {
  readonly all: Result[];
  readonly #path: string | undefined;

  private constructor(path: string | undefined, all: Result[]) {
    this.#path = path;
    this.all = all;
  }

  static async open(path: string | undefined): Promise<Results> {
    if (path === undefined) return new Results(path, []);
    await mkdir(dirname(path), { recursive: true });
    const text = await readFile(path, 'utf8').catch(() => ''); // not there yet
    const lines = text.split('\n').filter((line) => line !== '');
    return new Results(
      path,
      lines.map((line) => JSON.parse(line) as Result), // written below
    );
  }

  has(key: Key): boolean {
    return this.all.some((result) => keyOf(result) === keyOf(key));
  }

  async add(result: Result): Promise<void> {
    this.all.push(result);
    if (this.#path !== undefined) await appendFile(this.#path, `${JSON.stringify(result)}\n`);
  }
}

/** What a task is judged by: test error, or bits per character; less is better. */
export const criterion = ({ measures, trainLoss }: Pick<ComparedRun, 'measures' | 'trainLoss'>): number =>
  measures['acc'] === undefined ? (measures['bitsPerCharacter'] ?? measures['loss'] ?? trainLoss) : 1 - measures['acc'];
