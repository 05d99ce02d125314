import { z } from 'zod';
import { parseOptions } from '../options.ts';
import type { Gate } from '../stream/gate.ts';
import { Costs } from './costs.ts';
import { progressBreakEven } from './noise-scale.ts';
import { tau } from './tau.ts';

export const TauGateOptions = z.strictObject({
  /**
   * The gate opens when the smoothed τ exceeds this, the paper's τ_th: at least 1; `Infinity` keeps it shut, and a
   * number below 1 open. `'measured'` is the break-even of the costs measured so far, for the same variance;
   * `'progress'` that for the same progress, which asks as well whether noise limits the step at all.
   * @default 'measured'
   */
  tauThreshold: z
    .union([z.number().nonnegative(), z.literal(Infinity), z.enum(['measured', 'progress'])])
    .default('measured'),
  /** Weight of the past in the moving average of τ, the paper's a_τ, in [0, 1). @default 0.9 – guess */
  tauSmoothing: z.number().min(0).lt(1).default(0.9),
  /** Observations before the gate may open. @default 0 */
  warmUp: z.int().nonnegative().default(0),
  /** An open gate shuts when τ falls below `(1 − hysteresis) × threshold`, in [0, 1). @default 0 – the paper's rule */
  hysteresis: z.number().min(0).lt(1).default(0),
});

export type TauGateOptions = z.input<typeof TauGateOptions> & {
  /** Needed for `tauThreshold: 'measured'`: what scoring and training cost, and the sizes B and b. */
  readonly costs?: Costs;
  readonly presampleSize?: number;
  readonly batchSize?: number;
  /** Minibatches drawn from a presample. @default 1 */
  readonly draws?: number;
  /** The gradient noise scale over b, N / b; needed for `tauThreshold: 'progress'`. @default Infinity: noise limits */
  readonly noise?: () => number;
  /** The τ above which it opens under `tauThreshold: 'measured'`, in place of the costs' own. */
  readonly breakEven?: (() => number) | undefined;
};

/** What a gate must remember to go on after a stop. */
export interface GateState {
  readonly average: number;
  readonly mass: number;
  readonly observations: number;
  readonly isOpen: boolean;
}

/** The τ gate, with its state to save and restore. */
export interface TauGate extends Gate {
  /** The τ above which it opens, now. */
  readonly threshold: number;
  /** Moves the average by a τ that is known. @param threshold the bar, where others have a say in it */
  observeTau(tau: number, threshold: number): void;
  state(): GateState;
  restore(state: GateState): void;
}

/**
 * Opens importance sampling when it reduces the gradient's variance enough to pay for the scoring.
 *
 *     τ̄ ← a_τ τ̄ + (1 − a_τ) τ(g);   open when τ̄ > τ_th          Katharopoulos & Fleuret 2018, Algorithm 1
 *
 * DEVIATION: the average starts empty and is divided by the weight it has gathered, 1 − a_τ^n, so that it is an average
 * of what was observed from the first observation on. Started at 0 as in the authors' code, it opens late.
 *
 * @throws {OptionsError} when an option is unknown or out of range
 * @example const gate = tauGate({ tauThreshold: 1.5 });
 */
export function tauGate(options: TauGateOptions = {}): TauGate {
  const { costs = new Costs(), presampleSize = 640, batchSize = 128, draws = 1, breakEven, noise, ...rest } = options;
  const { tauThreshold, tauSmoothing, warmUp, hysteresis } = parseOptions('tauGate()', TauGateOptions, rest);
  const byProgress = () => progressBreakEven(noise?.() ?? Infinity, costs.slowdown(presampleSize, batchSize, draws));
  const measured = breakEven ?? (() => costs.breakEven(presampleSize, batchSize, draws));
  const threshold = () => {
    if (typeof tauThreshold === 'number') return tauThreshold;
    return tauThreshold === 'measured' ? measured() : byProgress();
  };
  let [average, mass, observations] = [0, 0, 0];
  let isOpen = warmUp === 0 && threshold() < 1;
  const smoothed = () => (mass === 0 ? 1 : average / mass);

  const observeTau = (value: number, bar: number) => {
    average = tauSmoothing * average + (1 - tauSmoothing) * value;
    mass = tauSmoothing * mass + (1 - tauSmoothing);
    observations += 1;
    isOpen = observations >= warmUp && smoothed() > (isOpen ? (1 - hysteresis) * bar : bar);
  };

  return {
    get isOpen() {
      return isOpen;
    },
    get tau() {
      return smoothed();
    },
    get threshold() {
      return threshold();
    },
    observe: (scores) => observeTau(tau(scores), threshold()),
    observeTau,
    state: () => ({ average, mass, observations, isOpen }),
    restore: (state) => ({ average, mass, observations, isOpen } = state),
  };
}

/** A gate that never opens: every step is uniform. */
export const shutGate = (): TauGate => tauGate({ tauThreshold: Infinity });
