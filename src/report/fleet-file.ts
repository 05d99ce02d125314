import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FleetReport } from '../cluster/status.ts';

/** The file in a run's folder that says how its fleet is. */
export const fleetFile = 'fleet.json';

/**
 * Writes how a run's fleet is, for whoever looks at the run's page. Where it cannot be written the page stays behind, and
 * the run goes on: a disk that is full is an error where the run's own steps are written.
 */
export function writeFleetFile(folder: string, report: FleetReport): void {
  const path = join(folder, fleetFile);
  try {
    writeFileSync(`${path}.tmp`, JSON.stringify(report));
    renameSync(`${path}.tmp`, path);
  } catch {
    rmSync(`${path}.tmp`, { force: true });
  }
}
