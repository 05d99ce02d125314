import { type Command, Option } from 'commander';
import type { FleetOptions, ServerOptions } from '../cluster/cluster-options.ts';
import { OptionsError } from '../errors.ts';
import { positive, wholeAbove } from './arguments.ts';

/** How a command reaches the cluster's server. */
export interface ServerFlags {
  readonly cluster?: string;
  readonly run?: string;
  readonly clusterCredentials?: string;
  readonly clusterCa?: string;
  readonly clusterCert?: string;
  readonly clusterKey?: string;
  readonly clusterPatience?: number;
}

/** What a trainer says about its fleet. */
export interface TrainerFlags extends ServerFlags {
  readonly parametersEvery?: number;
  readonly ageLimit?: number;
  readonly whenOlder?: NonNullable<FleetOptions['whenOlder']>;
  readonly jobPresamples?: number;
  readonly fleetAhead?: number;
  readonly ackWait?: number;
}

/** Adds what every command needs that reaches the server. */
export const addServerFlags = (command: Command): Command =>
  command
    .option('--cluster <url>', 'the server: nats://token@host:4222, or tls://user:password@host (or TAUSTREAM_CLUSTER)')
    .option('--run <name>', "the run's name on the server (default: the pipeline's name)")
    .option('--cluster-credentials <file>', "an nkey's seed or a .creds file to log in by")
    .option('--cluster-ca <file>', 'certificates of those who may vouch for the server')
    .option('--cluster-cert <file>', 'a certificate of your own, where the server asks for one')
    .option('--cluster-key <file>', 'its key')
    .option('--cluster-patience <s>', 'seconds to wait for a server or partner that was lost (default: 120)', positive);

/** Adds what a trainer may say about its fleet. */
export const addTrainerFlags = (command: Command): Command =>
  addServerFlags(command)
    .option('--parameters-every <n>', 'steps between publications of the parameters (default: 10)', wholeAbove(0))
    .option('--age-limit <n>', 'steps that scores may be old', wholeAbove(0))
    .addOption(new Option('--when-older <what>', 'what becomes of older minibatches').choices(['drop', 'weigh-less']))
    .option('--job-presamples <n>', 'presamples in a job (default: 8)', wholeAbove(0))
    .option(
      '--fleet-ahead <n>',
      'presamples scored ahead of the trainer (default: as few as keep it busy)',
      wholeAbove(0),
    )
    .option('--ack-wait <s>', "seconds of silence until a worker's job goes to another (default: 8)", positive);

/** The server's part of the flags; nothing when none is named. */
export function serverOf(flags: ServerFlags): (ServerOptions & { readonly run?: string }) | undefined {
  const { run, clusterCredentials, clusterCa, clusterCert, clusterKey, clusterPatience } = flags;
  const url = flags.cluster ?? process.env['TAUSTREAM_CLUSTER'];
  if (url === undefined) return undefined;
  return {
    url,
    ...(run !== undefined && { run }),
    ...(clusterCredentials !== undefined && { credentials: clusterCredentials }),
    ...(clusterCa !== undefined && { caFile: clusterCa }),
    ...(clusterCert !== undefined && { certFile: clusterCert }),
    ...(clusterKey !== undefined && { keyFile: clusterKey }),
    ...(clusterPatience !== undefined && { patienceSeconds: clusterPatience }),
  };
}

/** @throws {OptionsError} when no server is named */
export function expectServer(command: string, flags: ServerFlags): ServerOptions & { readonly run?: string } {
  const server = serverOf(flags);
  if (server) return server;
  throw new OptionsError(
    `taustream ${command}: expected a server, got none. Give --cluster nats://token@host:4222; \`npx taustream cluster up\` starts one.`,
  );
}

/** Gathers a trainer's flags about its fleet in one option. Only `--cluster` itself makes a run one of a fleet. */
export function withFleet<Flags extends TrainerFlags>(flags: Flags) {
  const { cluster, run, clusterCredentials, clusterCa, clusterCert, clusterKey, clusterPatience, ...others } = flags;
  const { parametersEvery, ageLimit, whenOlder, jobPresamples, fleetAhead: ahead, ackWait, ...rest } = others;
  const own = { parametersEvery, ageLimit, whenOlder, jobPresamples, ahead, ackWaitSeconds: ackWait };
  const given = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
  const about = { run, clusterCredentials, clusterCa, clusterCert, clusterKey, clusterPatience, ...given };
  const alone = Object.entries(about).find(([, value]) => value !== undefined);
  if (cluster === undefined && alone)
    throw new OptionsError(
      `taustream train: expected --cluster beside what is said of the fleet (\`${alone[0]}\`), got none. Name the server.`,
    );
  if (cluster === undefined) return rest;
  const server = serverOf(flags)!; // it is named
  return { ...rest, fleet: { ...server, ...given } as FleetOptions };
}
