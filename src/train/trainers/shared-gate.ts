import type { TauGate } from '../../resample/tau-gate.ts';
import { tau } from '../../resample/tau.ts';

/**
 * A gate that trainers move together: what each observes waits until all have said theirs, and the mean of their τ and of
 * their thresholds decides. So all fetch and draw alike.
 */
export interface SharedGate extends TauGate {
  /** The sum of τ observed since the last call, and of how many. */
  takeSeen(): { readonly tau: number; readonly count: number };
  /** Takes what all have seen, on average. */
  settle(tau: number, threshold: number): void;
}

/** Shares a trainer's own gate. */
export function sharedGate(own: TauGate): SharedGate {
  let seen = { tau: 0, count: 0 };
  return {
    get isOpen() {
      return own.isOpen;
    },
    get tau() {
      return own.tau;
    },
    get threshold() {
      return own.threshold;
    },
    observe: (scores) => (seen = { tau: seen.tau + tau(scores), count: seen.count + 1 }),
    observeTau: (value, threshold) => own.observeTau(value, threshold),
    state: () => own.state(),
    restore: (state) => own.restore(state),
    takeSeen: () => {
      const taken = seen;
      seen = { tau: 0, count: 0 };
      return taken;
    },
    settle: (mean, threshold) => own.observeTau(mean, threshold),
  };
}
