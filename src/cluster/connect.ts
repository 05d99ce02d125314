import { readFile } from 'node:fs/promises';
import {
  connect,
  credsAuthenticator,
  nkeyAuthenticator,
  type ConnectionOptions,
  type NatsConnection,
  type NodeConnectionOptions,
} from '@nats-io/transport-node';
import { ClusterError, OptionsError, firstLineOf } from '../errors.ts';
import type { ServerSettings } from './cluster-options.ts';

/** A server that lets less through at once is of no use. */
const leastPayload = 64 * 1024;
/** Bytes of a message beside its payload: header, subject, names. */
const envelope = 8 * 1024;
const largestChunk = 4 * 1024 * 1024;

/** A connection that is made anew whenever it breaks. */
export interface Connection {
  readonly nats: NatsConnection;
  /** Bytes that one message may carry. */
  readonly chunkBytes: number;
  /** The server, without what one logs in by. */
  readonly where: string;
}

/**
 * Connects to a server.
 * @throws {ClusterError} when there is none, it refuses, or lets too little through at once
 * @throws {OptionsError} when the address is none
 */
export async function connectTo(settings: ServerSettings, name: string): Promise<Connection> {
  const { where, login, tls } = addressOf(settings.url);
  const { caFile, certFile, keyFile, credentials } = settings;
  const authenticator = credentials === undefined ? undefined : await authenticatorOf(credentials);
  const options: NodeConnectionOptions = {
    servers: where,
    name,
    ...login,
    ...(authenticator && { authenticator }),
    ...((tls || caFile !== undefined || certFile !== undefined) && {
      tls: {
        ...(caFile !== undefined && { caFile }),
        ...(certFile !== undefined && { certFile }),
        ...(keyFile !== undefined && { keyFile }),
      },
    }),
    timeout: 5000,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 200,
    reconnectJitter: 100,
    pingInterval: 5000,
    maxPingOut: 2,
  };
  let nats: NatsConnection;
  try {
    nats = await connect(options);
  } catch (cause) {
    throw explain(where, cause);
  }
  const most = nats.info?.max_payload ?? 0;
  if (most >= leastPayload) return { nats, where, chunkBytes: Math.min(largestChunk, most - envelope) };
  await nats.close();
  throw new ClusterError(
    `${where}: expected a server that lets ${leastPayload} bytes through at once, got one of ${most}. Set \`max_payload: 8MB\` in its configuration.`,
    { expected: leastPayload, got: most },
  );
}

/** Splits an address into server and login. @throws {OptionsError} when it is none */
export function addressOf(url: string): {
  readonly where: string;
  readonly login: Pick<ConnectionOptions, 'token' | 'user' | 'pass'>;
  readonly tls: boolean;
} {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || !['nats:', 'tls:'].includes(parsed.protocol) || parsed.hostname === '')
    throw new OptionsError(
      'Cluster: expected an address like `nats://token@host:4222` or `tls://user:password@host:4222`, got another. Correct it.',
    );
  const [user, pass] = [decodeURIComponent(parsed.username), decodeURIComponent(parsed.password)];
  return {
    where: `${parsed.hostname}:${parsed.port || '4222'}`,
    login: user === '' ? {} : pass === '' ? { token: user } : { user, pass },
    tls: parsed.protocol === 'tls:',
  };
}

async function authenticatorOf(file: string) {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new OptionsError(
      `Cluster: expected credentials in ${file}, which cannot be read. Check the path.`,
      { file },
      { cause },
    );
  });
  const text = bytes.toString('utf8').trim();
  if (text.startsWith('SU')) return nkeyAuthenticator(new TextEncoder().encode(text));
  if (text.includes('BEGIN NATS USER JWT')) return credsAuthenticator(bytes);
  throw new OptionsError(
    `Cluster: expected an nkey's seed (SU…) or a .creds file in ${file}, got something else. Name another file.`,
    { file },
  );
}

/** Why a server cannot be had, in words. */
export function explain(where: string, cause: unknown): ClusterError {
  const reason = firstLineOf(cause);
  const facts = { where, reason };
  if (/authorization|authentication|nkey|credential/iu.test(`${nameOf(cause)} ${reason}`))
    return new ClusterError(
      `${where}: expected a login that the server knows, got one that it refuses (${reason}). Check token, user and password in the address, or the credentials file.`,
      facts,
      { cause },
    );
  if (/tls|certificate|self.signed|ssl/iu.test(`${reason} ${reasonBehind(cause)}`))
    return new ClusterError(
      `${where}: expected a connection that both sides trust, got: ${reason}${reasonBehind(cause)}. Use tls:// and name the certificate authority with --cluster-ca.`,
      facts,
      { cause },
    );
  return new ClusterError(
    `${where}: expected a NATS server, got ${reason}${reasonBehind(cause)}. Start one with \`npx taustream cluster up\`, or correct the address.`,
    facts,
    { cause },
  );
}

const nameOf = (error: unknown) => (error instanceof Error ? error.name : '');
const reasonBehind = (error: unknown) =>
  error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : '';
