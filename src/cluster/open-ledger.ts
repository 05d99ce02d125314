import { ClusterError } from '../errors.ts';
import type { SourceContext } from '../train/batch-source.ts';
import type { FleetSettings } from './cluster-options.ts';
import { placesIn } from './fleet-checks.ts';
import { orderOf } from './fingerprint.ts';
import { Ledger, parseLedgerState } from './ledger.ts';
import type { Room } from './room.ts';

/**
 * Opens a run's book of jobs: a new one, or that of its checkpoint.
 * @throws {ClusterError} when the checkpoint is one of another order
 */
export function openLedger(settings: FleetSettings, context: SourceContext, room: Room): Ledger {
  const { corpus, values, position } = context;
  const saved = position && parseLedgerState(position);
  const order = orderOf(corpus, values);
  if (saved && saved.order !== order)
    throw new ClusterError(
      `fleet(): expected a checkpoint of the same order (${order}), got one of another (${saved.order}). Go on with the corpus and seed that it comes from.`,
    );
  const ledger = new Ledger({
    order,
    places: saved?.places ?? settings.jobPresamples * values.presampleSize,
    end: placesIn(context),
    grantMs: 1000 * settings.ackWaitSeconds,
    ahead: () => settings.ahead ?? room.size,
  });
  if (saved) ledger.restore(saved, performance.now());
  return ledger;
}
