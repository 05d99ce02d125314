import { isatty } from 'node:tty';
import colors from 'picocolors';
import { useEngine } from '../engine/use-engine.ts';
import { fit } from '../train/fit.ts';
import type { Host } from './host.ts';

/** The commands' host in a process of their own. Colours follow the terminal of stderr, where progress goes. */
export const processHost = (): Host => ({
  stdout: process.stdout,
  stderr: process.stderr,
  colors: colors.createColors(colors.isColorSupported && isatty(2)),
  fit,
  useEngine: (name) => useEngine(name),
});
