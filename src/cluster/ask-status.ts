import { jetstreamManager } from '@nats-io/jetstream';
import { ClusterError } from '../errors.ts';
import { parseOptions } from '../options.ts';
import { ServerOptions, type ServerOptions as Given } from './cluster-options.ts';
import { connectTo } from './connect.ts';
import { Answer, pack, subjectsOf, unpack, workersConsumer } from './protocol.ts';
import type { FleetStatus } from './status.ts';

/** What goes on in a run, and what waits on the server. */
export interface RunStatus extends FleetStatus {
  /** Jobs that no worker has come for, and those that one has in hand. */
  readonly queued: number;
  readonly inHand: number;
}

/**
 * Asks a run's trainer how it and its fleet are.
 * @throws {ClusterError} when there is no server, or no trainer of that run
 * @example
 * const { workers } = await askStatus({ url: 'nats://127.0.0.1:4222', run: 'moby-dick' });
 */
export async function askStatus({ run, ...server }: Given & { readonly run: string }): Promise<RunStatus> {
  const settings = parseOptions('cluster status', ServerOptions, server);
  const { nats, where } = await connectTo(settings, 'taustream status');
  const subjects = subjectsOf(run);
  try {
    const message = await nats
      .request(subjects.ask, pack({ kind: 'status' }), { timeout: 5000 })
      .catch((cause: unknown) => {
        throw new ClusterError(
          `${where}: expected a trainer of run \`${run}\`, got none that answers. Is it at work, and is that its name?`,
          { run },
          { cause },
        );
      });
    const answer = unpack('Status', Answer, message.data);
    if (answer.kind !== 'status')
      throw new ClusterError(
        `${where}: expected a status, got ${answer.kind}. Use one version of taustream everywhere.`,
      );
    const jsm = await jetstreamManager(nats, { checkAPI: false });
    const info = await jsm.consumers.info(subjects.jobsStream, workersConsumer);
    const told = answer.status as FleetStatus; // a trainer of this version told it
    return { ...told, queued: info.num_pending, inHand: info.num_ack_pending };
  } finally {
    await nats.close();
  }
}
