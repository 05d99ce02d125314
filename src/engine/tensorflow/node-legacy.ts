import { createRequire } from 'node:module';

/**
 * Gives back what Node 23 removed from `util`, or warns about, and tfjs-node 4.22 calls (`isNullOrUndefined`, `isArray`). To be called
 * before tfjs-node's files are imported.
 */
export function restoreUtil(): void {
  // The CommonJS object is the one that tfjs-node sees; an ES module's view of it cannot be added to.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `require` gives any
  const util = createRequire(import.meta.url)('node:util') as Record<string, unknown>;
  util['isNullOrUndefined'] ??= (value: unknown) => value === null || value === undefined;
  util['isArray'] = Array.isArray; // Node's own, where it is left, warns of its age at every start
}
