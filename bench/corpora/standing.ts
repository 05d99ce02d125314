import { median } from '../median.ts';

/** Rates that are compared. */
export interface Rates {
  readonly perSecond: number;
  readonly perProcessorSecond: number;
}

/** A system and its rates, round by round. */
export interface Row {
  /** Whether it does less than the others, and is shown only. */
  readonly doesLess?: boolean;
  /** Fewer than rounds where it was left out of the later ones. */
  readonly results: readonly Rates[];
}

/** Whether a peer is measured again: it has no rate yet, or at least half of that of the best peer that counts. */
export function isInNextRound(row: Row, peers: readonly Row[]): boolean {
  const [first] = row.results;
  const best = Math.max(0, ...counted(peers).map(({ results: [own] }) => own?.perSecond ?? 0));
  return !first || first.perSecond >= best / 2;
}

/**
 * Our rate by that of the best peer that counts, the median over rounds.
 * @throws {Error} when a round has no such peer, for a ratio to nothing says nothing
 */
export function againstBest(ours: Row, peers: readonly Row[], key: keyof Rates): number {
  const ratios = ours.results.map((own, round) => {
    const best = Math.max(0, ...counted(peers).map(({ results }) => results[round]?.[key] ?? 0));
    if (best > 0) return own[key] / best;
    throw new Error(`againstBest(): expected a peer that counts in round ${round + 1}, got none.`);
  });
  return median(ratios);
}

/** Our rate by a peer's, the median over the rounds in which it was measured. */
export const against = (ours: Row, peer: Row, key: keyof Rates): number =>
  median(peer.results.map((theirs, round) => ours.results[round]![key] / theirs[key]));

const counted = (peers: readonly Row[]): Row[] => peers.filter(({ doesLess }) => !doesLess);
