import { Packr } from 'msgpackr';
import { z } from 'zod';
import { ClusterError } from '../errors.ts';

/** Trainer and workers speak the same version of the protocol, or not at all. */
export const protocolVersion = 1;

const count = z.int().nonnegative();
const text = z.string().max(512);

/** Where a run's messages go. A name of a run may have dots, a subject's token may not. */
export function subjectsOf(run: string) {
  const token = run.replaceAll(/[^\w-]/gu, '_');
  const base = `tau.${token}`;
  return {
    jobsStream: `TAU_${token}_JOBS`,
    parametersStream: `TAU_${token}_PARAMS`,
    jobs: `${base}.jobs`,
    parameters: `${base}.params`,
    manifest: `${base}.params.manifest`,
    /** What workers ask the trainer. */
    ask: `${base}.ask`,
    /** What the trainer tells everybody. */
    news: `${base}.news`,
    /** Where several trainers meet. */
    trainers: `${base}.trainers`,
  } as const;
}
export type Subjects = ReturnType<typeof subjectsOf>;

/** The consumer through which all workers pull jobs. */
export const workersConsumer = 'workers';

/** A stretch of the corpus' order, to be turned into minibatches. */
export const Job = z.object({
  protocol: z.literal(protocolVersion),
  incarnation: text,
  job: count,
  /** The first place, and the one behind the last. */
  from: count,
  to: count,
  phase: z.enum(['uniform', 'importance']),
});
export type Job = z.output<typeof Job>;

/** What a pipeline is made of, part by part, so that a difference can be named. */
export const Fingerprint = z.record(z.string(), z.string());
export type Fingerprint = z.output<typeof Fingerprint>;

/** Who asks: each question has it. */
const from = { worker: text, incarnation: text };
const part = { ...from, job: count, part: count };

const Bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, { error: 'must be bytes' });

/** What a worker asks the trainer. */
export const Question = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('hello'), protocol: z.unknown(), worker: text }),
  z.object({ kind: z.literal('join'), ...from, machine: text, fingerprint: Fingerprint }),
  /** I am here, whatever I do. */
  z.object({ kind: z.literal('beat'), ...from }),
  /** May this part be scored now? */
  z.object({ kind: z.literal('offer'), ...part }),
  /** A stretch of a part's bytes. */
  z.object({ kind: z.literal('part'), ...part, chunk: count, chunks: count, bytes: Bytes }),
  /** All parts of a job are delivered: so many there were. */
  z.object({ kind: z.literal('end'), ...from, job: count, parts: count, samples: count, left: count }),
  /** A job cannot be done. */
  z.object({ kind: z.literal('fail'), ...from, job: count, code: text.optional(), message: z.string() }),
  z.object({ kind: z.literal('leave'), ...from, reason: z.string() }),
  z.object({ kind: z.literal('status') }),
]);
export type Question = z.output<typeof Question>;

/** What every worker must know to do as the trainer would: the options of `fit` that scoring and drawing depend on. */
export const Settings = z.object({
  seed: count,
  epochs: count.optional(),
  scheme: text,
  options: z.record(z.string(), z.unknown()),
});
export type Settings = z.output<typeof Settings>;

/** What the trainer answers. */
export const Answer = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('welcome'), protocol: count, incarnation: text, settings: Settings, ackWaitMs: count }),
  z.object({ kind: z.literal('joined') }),
  z.object({ kind: z.literal('refused'), message: z.string() }),
  /** Score it; the newest parameters that were published have this number. */
  z.object({ kind: z.literal('go'), parameters: count }),
  /** Nothing is free just now: ask again. */
  z.object({ kind: z.literal('wait') }),
  /** That part has come already. */
  z.object({ kind: z.literal('duplicate') }),
  z.object({ kind: z.literal('taken') }),
  /** A stretch is there, others are missing. */
  z.object({ kind: z.literal('more') }),
  /** The whole job is over. */
  z.object({ kind: z.literal('done') }),
  /** Another trainer, or another life of this one, is at work: join anew. */
  z.object({ kind: z.literal('stale') }),
  z.object({ kind: z.literal('status'), status: z.unknown() }),
]);
export type Answer = z.output<typeof Answer>;

/** What is told to everybody who listens. */
export const News = z.object({ kind: z.literal('over'), incarnation: text });

/** The parameters of one version, chunk by chunk. */
export const Manifest = z.object({
  protocol: z.literal(protocolVersion),
  incarnation: text,
  /** Counts what was published, from 1. */
  number: count,
  /** Steps that the parameters had taken. */
  version: count,
  weights: z.array(
    z.object({ name: z.string(), shape: z.array(count), dtype: z.enum(['float32', 'int32', 'bool']), bytes: count }),
  ),
  chunks: count,
  bytes: count,
  sha256: z.string(),
});
export type Manifest = z.output<typeof Manifest>;

const packr = new Packr({ useRecords: false, moreTypes: true });

/** Plain values, typed arrays among them, as bytes. */
export const pack = (value: unknown): Uint8Array => packr.pack(value);

/**
 * Reads a message.
 * @throws {ClusterError} when it is none, or one of another version of the protocol
 */
export function unpack<Schema extends z.ZodType>(what: string, schema: Schema, bytes: Uint8Array): z.output<Schema> {
  let value: unknown;
  try {
    value = packr.unpack(bytes);
  } catch (cause) {
    throw new ClusterError(
      `${what}: expected a message in msgpack, got ${bytes.length} bytes of something else. Use one version of taustream everywhere.`,
      { bytes: bytes.length },
      { cause },
    );
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ClusterError(
    `${what}: expected a message of protocol ${protocolVersion}, got one whose \`${issue?.path.join('.') ?? ''}\` ${issue?.message ?? 'differs'}. Use one version of taustream everywhere.`,
    { issues: parsed.error.issues },
  );
}
