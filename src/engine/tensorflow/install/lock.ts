import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive } from '../../../is-alive.ts';

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once when another process holds the lock. */
  readonly onWait?: ((owner: string) => void) | undefined;
  /** Milliseconds between looks at a held lock. @default 250 */
  readonly pollMs?: number;
  /** A lock whose owner was silent for so long is stale, wherever the owner runs. @default 60000 */
  readonly staleMs?: number;
}

/**
 * Runs `action` while holding the lock `file`. Only one process at a time gets in; the others wait. A lock whose owner
 * died (its process is gone, or it has been silent too long) is taken over.
 */
export async function withLock<T>(file: string, action: () => Promise<T>, options: LockOptions = {}): Promise<T> {
  await mkdir(dirname(file), { recursive: true });
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), key: randomUUID() });
  await acquire(file, mine, options);
  const beat = setInterval(() => void touch(file), (options.staleMs ?? 60_000) / 6);
  beat.unref();
  try {
    return await action();
  } finally {
    clearInterval(beat);
    if ((await contents(file)) === mine) await rm(file, { force: true });
  }
}

async function acquire(file: string, mine: string, options: LockOptions): Promise<void> {
  for (let waited = false; ;) {
    options.signal?.throwIfAborted();
    if (await create(file, mine)) return;
    const held = await contents(file);
    if (held === undefined) continue; // released meanwhile
    if (await isStale(file, held, options.staleMs ?? 60_000)) {
      await takeAway(file, held);
      continue;
    }
    if (!waited) options.onWait?.(held);
    waited = true;
    await sleep(options.pollMs ?? 250, undefined, options.signal && { signal: options.signal });
  }
}

async function create(file: string, mine: string): Promise<boolean> {
  try {
    await writeFile(file, mine, { flag: 'wx' });
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  }
}

async function contents(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function isStale(file: string, held: string, staleMs: number): Promise<boolean> {
  const age =
    Date.now() -
    (await stat(file).then(
      (found) => found.mtimeMs,
      () => Date.now(),
    ));
  if (age > staleMs) return true;
  const owner = ownerOf(held);
  return owner !== undefined && owner.host === hostname() && !isAlive(owner.pid);
}

/** Moves a stale lock out of the way; if somebody renewed it in between, it is put back. */
async function takeAway(file: string, stale: string): Promise<void> {
  const aside = `${file}.${randomUUID()}`;
  try {
    await rename(file, aside);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return; // somebody else took it away
    throw error;
  }
  const moved = await contents(aside);
  if (moved !== undefined && moved !== stale) await create(file, moved);
  await rm(aside, { force: true });
}

function ownerOf(held: string): { pid: number; host: string } | undefined {
  try {
    const owner: unknown = JSON.parse(held);
    if (typeof owner !== 'object' || owner === null || !('pid' in owner) || !('host' in owner)) return undefined;
    return typeof owner.pid === 'number' && typeof owner.host === 'string'
      ? { pid: owner.pid, host: owner.host }
      : undefined;
  } catch {
    return undefined; // half-written: its owner is at work, or it grows stale
  }
}

const touch = (file: string) => utimes(file, new Date(), new Date()).catch(() => undefined); // gone: the owner is leaving
const isCode = (error: unknown, code: string) => error instanceof Error && 'code' in error && error.code === code;
