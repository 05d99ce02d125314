import { chmod, lstat, rm } from 'node:fs/promises';
import { connect, type ListenOptions, type Server } from 'node:net';
import { expectToken } from '../access.ts';
import { ConsumerError } from '../errors.ts';

/** Where a server listens: a Unix socket, or a TCP port of this machine alone unless a host is named. */
export type Address =
  | { readonly socket: string }
  | { readonly port: number; readonly host?: string | undefined; readonly token?: string | undefined };

/**
 * Starts to listen. A socket file that nobody listens on any more is replaced; a new one is its owner's alone.
 *
 * @returns the address in words: a path, or host and port
 * @throws {OptionsError} when other machines could connect and no token is asked of them
 * @throws {ConsumerError} when the address is taken or cannot be had
 */
export async function listen(server: Server, address: Address): Promise<string> {
  if ('socket' in address) {
    await removeStale(address.socket);
    await open(server, { path: address.socket }, address.socket);
    await chmod(address.socket, 0o600);
    return address.socket;
  }
  const { port, host = '127.0.0.1', token = '' } = address;
  expectToken('listen()', host, token);
  await open(server, { port, host }, `${host}:${port}`);
  const bound = server.address();
  return `${host}:${typeof bound === 'object' && bound ? bound.port : port}`;
}

function open(server: Server, options: ListenOptions, where: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'somebody listens there already' : cause.message;
      reject(
        new ConsumerError(
          `${where}: expected an address to listen on, but ${why}. Name another.`,
          { address: where },
          { cause },
        ),
      );
    };
    server.once('error', fail);
    server.listen(options, () => {
      server.off('error', fail);
      resolve();
    });
  });
}

/** A process that was killed leaves its socket file behind: nobody answers there. */
async function removeStale(path: string): Promise<void> {
  const file = await lstat(path).catch(() => undefined);
  if (!file?.isSocket()) return; // what is no socket is not ours to remove
  const code = await new Promise<string | undefined>((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(undefined);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
  });
  if (code === 'ECONNREFUSED') await rm(path, { force: true });
}
