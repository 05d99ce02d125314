import type { Rng } from '../stream/random.ts';
import type { Selection } from '../stream/selection.ts';
import {
  drawSystematically,
  drawWithReplacement,
  inclusionProbabilities,
  probabilities,
  randomSubset,
  topRows,
} from './draw.ts';
import type { Smoothing } from './smoothing.ts';
import { tauOfDraw } from './tau.ts';

/** Rows of a presample that make a minibatch, and their weights. */
export interface Pick {
  readonly picks: Int32Array /* [b] */;
  readonly weights: Float32Array /* [b] */;
  /** τ of the draw, the scores being what gradient norms are taken for; absent where it does not weigh. */
  readonly drawTau?: number;
}

export interface SelectOptions {
  readonly selection: Selection;
  readonly smoothing: Smoothing;
  readonly batchSize: number;
  /** A minibatch's samples against those of one without buckets, b_k / b, where buckets have sizes of their own. @default 1 */
  readonly bucketShare?: number;
  /** Minibatches to be drawn; `keep` makes as many as its rows fill. */
  readonly draws: number;
  readonly rng: Rng;
}

/** What is known of the run when a presample is drawn from. */
export interface Moment {
  /** τ of the scores at hand. */
  readonly tau: number;
  /** Share of the run's budget that is used up. */
  readonly share: number;
}

/**
 * Draws minibatches from a scored presample by a scheme's selection.
 *
 * With p the probabilities drawn by, a row's weight is (B p_i)^−β. For `distinct`, B p_i is B π_i / b with π_i the row's
 * probability to be in the minibatch, and for `keep` it is the probability of being kept: with β = 1 each is unbiased.
 */
export function select(
  scores: Float32Array /* [B] */,
  { tau, share }: Moment,
  { selection, smoothing, batchSize, bucketShare = 1, draws, rng }: SelectOptions,
): Pick[] {
  const rows = scores.length;
  const count = Math.max(1, Math.round((selection.size?.(tau, rows / bucketShare) ?? batchSize) * bucketShare));
  const chosen = selection.chances?.(scores, share) ?? scores;
  const { draw } = selection;
  if (draw === 'keep')
    return keep(chosen, Math.max(1, Math.round(batchSize * bucketShare)), powerOf(selection, share), rng);
  const chances = smoothing.scores(chosen);
  if (draw === 'top' || draw === 'subset') {
    const few = Math.min(count, rows);
    return repeat(draws, () => {
      const picks = draw === 'top' ? topRows(chances, few) : randomSubset(rows, few, rng);
      return { picks, weights: new Float32Array(few).fill(1) };
    });
  }
  const g = smoothing.floor(probabilities(chances));
  const few = draw === 'distinct' ? Math.min(count, rows) : count;
  const inclusion = draw === 'distinct' ? inclusionProbabilities(g, few) : undefined;
  const p = inclusion ? inclusion.map((pi) => pi / few) : g;
  const weightOf = weightsOf(p, selection, share);
  const drawTau = tauOfDraw(scores, p);
  return repeat(draws, () => {
    const picks = inclusion
      ? drawSystematically(inclusion, few, rng.uniform())
      : draw === 'systematic'
        ? drawSystematically(g, few, rng.uniform())
        : drawWithReplacement(g, few, rng);
    return { picks, weights: Float32Array.from(picks, (row) => weightOf[row]!), drawTau };
  });
}

/** (B p_i)^−β, divided by what `weightScale` says. @returns w [B]; 0 for rows that are never drawn */
export function weightsOf(p: Float64Array /* [B] */, selection: Selection, share: number): Float64Array {
  const power = powerOf(selection, share);
  const weights = p.map((pi) => (pi === 0 ? 0 : (p.length * pi) ** -power));
  if (power === 1 && selection.weightScale !== 'max') return weights;
  const scale =
    selection.weightScale === 'max'
      ? weights.reduce((largest, weight) => Math.max(largest, weight), 0)
      : weights.reduce((sum, weight, i) => sum + p[i]! * weight, 0);
  return scale === 0 ? weights : weights.map((weight) => weight / scale);
}

/**
 * Keeps each row by itself; what is kept comes in minibatches of `batchSize`, the last filled up with weight 0. Where
 * nothing is kept there is one minibatch of weight 0, so that a run goes on, and comes to its end.
 */
function keep(chances: ArrayLike<number> /* [B] */, batchSize: number, power: number, rng: Rng): Pick[] {
  const kept = Array.from(chances, (_, row) => row).filter((row) => rng.uniform() < chances[row]!);
  return repeat(Math.max(1, Math.ceil(kept.length / batchSize)), (k) => {
    const part = kept.slice(k * batchSize, (k + 1) * batchSize);
    const picks = Int32Array.from({ length: batchSize }, (_, i) => part[i] ?? 0);
    const weights = Float32Array.from(picks, (row, i) => (i < part.length ? chances[row]! ** -power : 0));
    return { picks, weights };
  });
}

const powerOf = ({ weightPower = 1 }: Selection, share: number): number =>
  typeof weightPower === 'number' ? weightPower : weightPower(share);

const repeat = <Item>(count: number, make: (index: number) => Item): Item[] =>
  Array.from({ length: count }, (_, index) => make(index));
