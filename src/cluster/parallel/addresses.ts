import { createServer } from 'node:net';
import { ParallelError } from '../../errors.ts';

/** Where a trainer listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A trainer listens at two ports: its address's for the others' word, and the next for TensorFlow. */
const LAST_PORT = 65_534;

/**
 * Reads the addresses of all trainers, in the order of their ranks.
 *
 * @param text `host:port,host:port`; an IPv6 host stands in brackets
 * @throws {ParallelError} when one cannot be read, or stands there twice
 * @example parseAddresses('10.0.0.1:4700,10.0.0.2:4700')[1]; // { host: '10.0.0.2', port: 4700 }
 */
export function parseAddresses(text: string): readonly Address[] {
  const parts = text.split(',').map((part) => part.trim());
  const twice = parts.find((part, i) => parts.indexOf(part) !== i);
  if (twice !== undefined)
    throw new ParallelError(`--trainers: expected each address once, got ${twice} twice. Give each trainer its own.`, {
      address: twice,
    });
  return parts.map(parseAddress);
}

function parseAddress(text: string): Address {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d+)$/u.exec(text) ?? [];
  const [host, port] = [bracketed ?? plain, Number(digits)];
  if (host !== undefined && port >= 1 && port <= LAST_PORT) return { host, port };
  throw new ParallelError(
    `--trainers: expected \`host:port\` with a port from 1 to ${LAST_PORT}, got \`${text}\`. Give each trainer's address.`,
    { address: text },
  );
}

/** `host:port`, as people and TensorFlow write it. */
export const showAddress = ({ host, port }: Address): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/** Where TensorFlow listens in the trainer at an address: the next port. */
export const tensorflowAddress = ({ host, port }: Address): Address => ({ host, port: port + 1 });

/**
 * Finds addresses on this machine for some trainers.
 * @param host one of this machine's own addresses
 * @throws {ParallelError} when there are not enough free ports in pairs
 */
export async function freeAddresses(count: number, host = '127.0.0.1'): Promise<readonly Address[]> {
  const found: Address[] = [];
  for (let attempt = 0; attempt < 50 * count && found.length < count; attempt++) {
    const port = await listenBriefly(host, 0);
    const isPair = port !== undefined && port < LAST_PORT && (await listenBriefly(host, port + 1)) !== undefined;
    if (isPair && !found.some((other) => Math.abs(other.port - port) < 2)) found.push({ host, port });
  }
  if (found.length === count) return found;
  throw new ParallelError(
    `--trainers: expected ${count} free pairs of ports at ${host} on this machine, found ${found.length}. Give addresses of this machine.`,
  );
}

/** Takes a port for a moment. @returns it; nothing when somebody has it */
export const listenBriefly = (host: string, port: number): Promise<number | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? address?.port : undefined));
    });
  });
