import { z } from 'zod';
import { ConsumerError } from '../errors.ts';
import type { Column } from '../stream/columns.ts';
import { encodeFrame, frameKinds, type Frame } from './frames.ts';

/** Columns begin at multiples of this many bytes of the payload, so that any number type may be laid over them. */
const alignment = 64;

/** Where a column lies in the payload. */
interface Placed {
  readonly name: string;
  readonly type: Column['type'];
  readonly shape: readonly number[];
  readonly offset: number;
}

/** A frame of columns: its header says where in the payload each lies. Nothing is copied. */
export function columnsFrame(
  kind: 'batch' | 'score',
  header: Readonly<Record<string, unknown>>,
  columns: Readonly<Record<string, Column>>,
): Uint8Array[] {
  const placed: Placed[] = [];
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const [name, { type, shape, data }] of Object.entries(columns)) {
    const gap = (alignment - (offset % alignment)) % alignment;
    if (gap > 0) parts.push(new Uint8Array(gap));
    offset += gap;
    placed.push({ name, type, shape, offset });
    parts.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    offset += data.byteLength;
  }
  return encodeFrame(frameKinds[kind], { ...header, columns: placed }, parts);
}

/** What a consumer says first. */
export const Greeting = z.strictObject({
  /** Needed where the server is not on this machine alone. */
  token: z.string().default(''),
  /** What it sends back: nothing, scores of the presamples that it is asked about, or reports on its batches. */
  scores: z.enum(['none', 'presamples', 'reports']).default('none'),
  /** Batches that it may hold at a time, done ones not counted; 1 is lockstep. */
  credit: z.int().min(1).max(1024).default(1),
});
export type Greeting = z.output<typeof Greeting>;

/** The step on a batch was taken; scores of its samples may come as payload. */
export const Done = z.strictObject({ batch: z.int().positive() });

/** The scores that were asked for, as payload. */
export const Scores = z.strictObject({ request: z.int().positive() });

/** @throws {ConsumerError} when a header is not what its kind asks for */
export function readHeader<Schema extends z.ZodType>(what: string, schema: Schema, frame: Frame): z.output<Schema> {
  const { success, data, error } = schema.safeParse(frame.header);
  if (success) return data;
  const issues = error.issues.map(({ path, message }) => `\`${path.join('.')}\` ${message}`).join('; ');
  throw new ConsumerError(`Frame \`${what}\`: ${issues}. Speak the protocol of docs/frames.md.`);
}

/** The payload as little-endian float32 numbers. @throws {ConsumerError} when its length is no multiple of four */
export function floatsOf(frame: Frame): Float32Array {
  const { payload } = frame;
  if (payload.byteLength % 4 === 0) return new Float32Array(payload.buffer, payload.byteOffset, payload.byteLength / 4);
  throw new ConsumerError(`Frame: expected float32 scores, got ${payload.byteLength} bytes. Send 4 bytes a score.`);
}
