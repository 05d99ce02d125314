import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { OptionsError } from './errors.ts';

/** Whether only this machine can connect to a host. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

/** @throws {OptionsError} when other machines could connect and no token is asked of them */
export function expectToken(where: string, host: string, token: string): void {
  if (isLoopback(host) || token !== '') return;
  throw new OptionsError(
    `${where}: expected a token where other machines can connect (host ${host}), got none. Give one, or listen on 127.0.0.1.`,
    { host },
  );
}

const digest = (text: string) => createHash('sha256').update(text).digest();

/** Compares tokens in a time that tells nothing of where they differ. */
export const isSameToken = (one: string, other: string): boolean => timingSafeEqual(digest(one), digest(other));
