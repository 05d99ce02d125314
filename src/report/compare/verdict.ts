import type { ComparedRun } from './compare.ts';
import { significant, words } from '../format.ts';
import { holm, pairedTest, spreadOf, type PairedDifference, type Spread } from './statistics.ts';

/** What is compared by: a value of each run, less being better. */
export interface Criterion {
  readonly name: string;
  /** Whether it lies in [0, 1] and reads best in percent. */
  readonly isShare?: boolean;
  of(run: ComparedRun): number;
}

/** A scheme's values over its runs. */
export interface Row {
  readonly scheme: string;
  readonly criterion: Spread;
  readonly trainLoss: Spread;
  readonly steps: Spread;
  readonly openShare: Spread;
  readonly meanTau: Spread;
  /** Against the first scheme; undefined for the first itself. */
  readonly difference?: PairedDifference;
}

export interface Verdict {
  readonly criterion: string;
  /** Whether the criterion lies in [0, 1] and reads best in percent. */
  readonly isShare: boolean;
  readonly rows: readonly Row[];
  /** What the differences are worth, in words. */
  readonly sentence: string;
}

/** What every run has: seconds by some clock, or steps. */
export interface RunBudget {
  readonly seconds?: number | undefined;
  readonly steps?: number | undefined;
  /** @default 'wall' */
  readonly clock?: 'wall' | 'processor';
}

/** The budget in words. */
export const describeBudget = ({ seconds, steps, clock }: RunBudget): string =>
  seconds === undefined ? `${steps} steps` : `${seconds} s of ${clock === 'processor' ? 'processor time' : 'training'}`;

/** Differences rarer than this by chance are called larger than the noise. */
const level = 0.05;

/**
 * Compares every scheme with the first: by a paired t-test over the seeds, adjusted for the number of schemes (Holm).
 * The measure is the test error if the model has an accuracy, else 1 − recall@1, else bits per character, else the validation's loss, else
 * the train loss.
 */
export function judge(runs: readonly ComparedRun[], schemes: readonly string[], budget: RunBudget): Verdict {
  const criterion = criterionOf(runs[0]!);
  const bySeed = (scheme: string) => runs.filter((run) => run.scheme === scheme).toSorted((a, b) => a.seed - b.seed);
  const [first = ''] = schemes;
  const baseline = bySeed(first).map((run) => criterion.of(run));
  const tests = schemes.map((scheme) =>
    pairedTest(
      bySeed(scheme).map((run) => criterion.of(run)),
      baseline,
    ),
  );
  const adjusted = holm(tests.map(({ p }, i) => (i === 0 ? undefined : p)));
  const rows = schemes.map((scheme, i): Row => {
    const own = bySeed(scheme);
    const over = (value: (run: ComparedRun) => number) => spreadOf(own.map(value));
    return {
      scheme,
      criterion: over((run) => criterion.of(run)),
      trainLoss: over((run) => run.trainLoss),
      steps: over((run) => run.summary.steps),
      openShare: over((run) => run.summary.openShare),
      meanTau: over((run) => run.summary.meanTau),
      ...(i > 0 && { difference: { ...tests[i]!, p: adjusted[i] } }),
    };
  });
  return {
    criterion: criterion.name,
    isShare: criterion.isShare ?? false,
    rows,
    sentence: `At ${describeBudget(budget)}, ${describe(rows, criterion.name, baseline.length)}`,
  };
}

function criterionOf({ measures }: ComparedRun): Criterion {
  const accuracy = Object.keys(measures).find((name) => /^(acc|.*accuracy)$/i.test(name));
  if (accuracy !== undefined) return { name: 'test error', isShare: true, of: (run) => 1 - run.measures[accuracy]! };
  if ('recallAt1' in measures)
    return { name: '1 − recall@1', isShare: true, of: (run) => 1 - run.measures['recallAt1']! };
  const name = ['bitsPerCharacter', 'loss'].find((known) => known in measures);
  if (name === undefined) return { name: 'train loss', of: (run) => run.trainLoss };
  return { name: name === 'loss' ? 'validation loss' : words(name), of: (run) => run.measures[name]! };
}

function describe(rows: readonly Row[], criterion: string, seeds: number): string {
  const [first, ...others] = rows;
  if (others.length === 0) return `${first!.scheme} alone was run, so there is nothing to compare.`;
  if (seeds < 2) return `one seed cannot tell a difference in ${criterion} from noise: use at least 3.`;
  const clauses = others.map(({ scheme, difference }) => {
    const { mean, p } = difference!;
    if (p === undefined)
      return `${scheme} cannot be compared, for a run of ${scheme} or ${first!.scheme} has no finite ${criterion}`;
    const relative = (100 * mean) / first!.criterion.mean;
    const size = `${mean < 0 ? 'lower' : 'higher'} by ${significant(Math.abs(mean))} (${Math.abs(relative).toFixed(1)} %)`;
    const worth = p < level ? 'more than the noise' : 'within the noise';
    return `${scheme} is ${size}, ${worth} (p = ${p.toPrecision(2)})`;
  });
  return `compared with ${first!.scheme} in ${criterion}: ${clauses.join('; ')}. Paired t-test over ${seeds} seeds${others.length > 1 ? ', adjusted by Holm' : ''}.`;
}
