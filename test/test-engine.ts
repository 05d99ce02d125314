import type { EngineName } from '../src/engine/engine.ts';
import { useEngine } from '../src/engine/use-engine.ts';

/**
 * Activates the engine that the suite runs on: `TAUSTREAM_ENGINE`, else the plain JavaScript one, which is the reference.
 * The same tests hold on every engine.
 */
export const useTestEngine = async (): Promise<void> => {
  await useEngine((process.env['TAUSTREAM_ENGINE'] ?? 'cpu') as EngineName);
};
