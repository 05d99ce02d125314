import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '../is-alive.ts';

const HOST = hostname().replaceAll(/[^\w]/g, '_');

/**
 * Makes a hidden folder inside `folder` for what is not finished yet, and clears away those of processes of this machine
 * that were killed while they wrote.
 *
 * @returns the folder, and the outermost one that was created for it: to be removed when the work fails
 */
export async function createStaging(folder: string): Promise<{ staging: string; created: string }> {
  const staging = join(folder, `.writing-${HOST}-${process.pid}-${randomUUID()}`);
  const created = (await mkdir(staging, { recursive: true })) ?? staging;
  for (const name of await readdir(folder)) {
    const [, host, pid] = /^\.writing-(\w+)-(\d+)-/.exec(name) ?? [];
    if (host === HOST && !isAlive(Number(pid))) await rm(join(folder, name), { recursive: true, force: true });
  }
  return { staging, created };
}
