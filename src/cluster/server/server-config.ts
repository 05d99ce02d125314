import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

/** What a server of one's own is to be like. */
export interface ServerPlan {
  /** Where its configuration and its store lie. */
  readonly folder: string;
  /** @default '127.0.0.1' – this machine alone */
  readonly host?: string;
  /** @default 4222 */
  readonly port?: number;
  /** What everybody must give. @default made up */
  readonly token?: string;
  /** Largest message, in bytes. @default 8 MB */
  readonly maxPayload?: number;
  /** Lines of configuration in place of the token: users, certificates. */
  readonly authorization?: string;
  /** A whole configuration of one's own, in place of everything else here but the folder and the port. */
  readonly config?: string;
  /** Lines that are added. */
  readonly extra?: string;
}

/** A token of 128 random bits. */
export const newToken = (): string => randomBytes(16).toString('hex');

/** The server's configuration: room for minibatches in a message, and a store on disk. */
export function configOf(plan: ServerPlan): string {
  if (plan.config !== undefined) return plan.config;
  const { folder, host = '127.0.0.1', port = 4222, token = newToken(), maxPayload = 8 * 1024 * 1024 } = plan;
  const { authorization = `authorization { token: ${JSON.stringify(token)} }`, extra = '' } = plan;
  return `host: ${JSON.stringify(host)}
port: ${port}
max_payload: ${maxPayload}
max_pending: ${256 * 1024 * 1024}
jetstream { store_dir: ${JSON.stringify(join(folder, 'store'))} }
${authorization}
${extra}
`;
}
