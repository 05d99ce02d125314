import type { Writable } from 'node:stream';
import type { Colors } from 'picocolors/types.js';
import type { Engine, EngineName } from '../engine/engine.ts';
import type { ProgressOutput } from '../report/progress.ts';
import type { fit } from '../train/fit.ts';

/** What the commands stand on, so that tests can put others in its place. */
export interface Host {
  readonly stdout: { write(text: string): unknown };
  /** Where frames go. @default the process' standard output */
  readonly openFrames?: () => Writable;
  readonly stderr: ProgressOutput;
  readonly colors: Colors;
  readonly fit: typeof fit;
  useEngine(this: void, name: EngineName | 'auto'): Promise<Engine>;
}
