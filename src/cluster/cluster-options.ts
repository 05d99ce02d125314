import { z } from 'zod';

/** How to reach the server, and as whom. */
export const ServerOptions = z.strictObject({
  /** `nats://token@host:4222`, `nats://user:password@host`, or `tls://…` where the server must show a certificate. */
  url: z.string().min(1),
  /** A file with what to log in by: an nkey's seed, or a `.creds` file with a JWT. */
  credentials: z.string().min(1).optional(),
  /** A file with the certificates of those who may vouch for the server. @default those that Node knows */
  caFile: z.string().min(1).optional(),
  /** A certificate of one's own, and its key, where the server asks for one. */
  certFile: z.string().min(1).optional(),
  keyFile: z.string().min(1).optional(),
  /** Seconds for which a server or a partner that was lost is waited for. @default 120 – guess */
  patienceSeconds: z.number().positive().max(86_400).default(120),
});
export type ServerOptions = z.input<typeof ServerOptions>;
export type ServerSettings = Readonly<z.output<typeof ServerOptions>>;

/** How a trainer works with its fleet. */
export const FleetOptions = z.strictObject({
  ...ServerOptions.shape,
  /** Names the run on the server; trainer and workers have the same. @default the pipeline's name */
  run: z.string().min(1).max(128).default('run'),
  /** Presamples in a job: so many a worker reads in one go. @default 8 – guess */
  jobPresamples: z.int().positive().max(10_000).default(8),
  /** Jobs given out at most. @default two for each worker, at least 4 */
  credits: z.int().positive().max(100_000).optional(),
  /** Presamples that may be scored ahead of the trainer. More hide a slow network, and make scores older. @default as few as keep the trainer busy, from 4 to two for each worker */
  ahead: z.int().positive().max(100_000).optional(),
  /** Steps after which the parameters are published again. @default 10, or half the `ageLimit` where that is less – measured: docs/cluster.md */
  parametersEvery: z.int().positive().optional(),
  /** Steps that the parameters behind scores may be old when they are trained by. @default no limit */
  ageLimit: z.int().positive().optional(),
  /** What becomes of an older minibatch: it is left out, or its weights are multiplied by limit / age. Both are counted. @default 'drop' */
  whenOlder: z.enum(['drop', 'weigh-less']).default('drop'),
  /** Seconds of silence after which a worker's job is given to another. @default 8 */
  ackWaitSeconds: z.number().min(0.5).max(3600).default(8),
});
export type FleetOptions = z.input<typeof FleetOptions>;
export type FleetSettings = Readonly<z.output<typeof FleetOptions>>;

/** Steps between publications of the parameters. */
export const publicationEvery = ({ parametersEvery, ageLimit = Infinity }: FleetSettings): number =>
  parametersEvery ?? Math.max(1, Math.min(10, Math.floor(ageLimit / 2)));

/** How a worker works. */
export const WorkerOptions = z.strictObject({
  ...ServerOptions.shape,
  run: z.string().min(1).max(128).default('run'),
  /** Publications of parameters that may be newer than those a presample is scored with; 0 waits for the newest. @default 1 */
  versionsBehind: z.int().nonnegative().default(1),
  /** Whether it leaves when the run is over or no trainer is there for `patienceSeconds`, and does not wait for the next run. @default false */
  once: z.boolean().default(false),
});
export type WorkerOptions = z.input<typeof WorkerOptions>;
export type WorkerSettings = Readonly<z.output<typeof WorkerOptions>>;
