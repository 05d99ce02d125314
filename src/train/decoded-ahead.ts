import { rowBytes, type Schema } from '../stream/columns.ts';
import { atSteps, bufferSchema } from '../stream/steps.ts';

/** Bytes of samples that are decoded ahead for the next presample. */
const DECODED_BYTES = 2 ** 27;

/**
 * Samples to be decoded ahead, where they must be: as many as the next presample takes, so that they are decoded while
 * this one is scored and trained on. Computing may hold up this thread, which then begins no further ones.
 */
export function decodedAhead(schema: Schema, presampleSize: number): number {
  const columns = Object.values(bufferSchema(schema)).map((spec) => atSteps(spec, 0));
  const bytes = columns.reduce((sum, spec) => sum + rowBytes(spec), 0);
  return Math.min(presampleSize, Math.floor(DECODED_BYTES / Math.max(1, bytes)));
}
