import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ParallelError } from '../../../errors.ts';

/** Files that lie in memory. */
const folder = '/dev/shm';
const prefix = 'taustream-sum-';
const OWNER_ONLY = 0o600;

/** Where a file lies, and what it begins with: another machine, or another container, may have one of the same name. */
export interface SharedFileName {
  readonly name: string;
  readonly token: string;
}

/** Makes a file for trainers of this machine. @param header bytes @returns nothing where there is no folder for it */
export function makeSharedFile(header: number): (SharedFileName & { readonly fd: number }) | undefined {
  const [name, token] = [`${prefix}${process.pid}-${randomUUID()}`, randomUUID()];
  try {
    const fd = openSync(join(folder, name), 'wx+', OWNER_ONLY);
    const start = Buffer.alloc(header);
    start.write(token, 'latin1');
    writeSync(fd, start);
    return { name, token, fd };
  } catch {
    return undefined; // no such folder, or no room: the sum goes another way
  }
}

/** Opens the file that another trainer made. @returns nothing when it is not on this machine, or another user's */
export function openSharedFile({ name, token }: SharedFileName): number | undefined {
  if (!/^taustream-sum-[\w-]+$/u.test(name)) return undefined;
  let fd: number | undefined;
  try {
    fd = openSync(join(folder, name), 'r+');
    const found = Buffer.alloc(token.length);
    readSync(fd, found, 0, found.length, 0);
    if (found.toString('latin1') === token) return fd;
  } catch {
    // not there, or not ours
  }
  if (fd !== undefined) closeSync(fd);
  return undefined;
}

/** Takes the file's name away; it lives on as long as somebody has it open, and goes with the last of them. */
export function forgetSharedFile({ name }: SharedFileName): void {
  try {
    unlinkSync(join(folder, name));
  } catch {
    // it has gone already
  }
}

const zeros = new Uint8Array(2 ** 20);

/**
 * Writes zeros, so that there is memory behind every byte: writing to a mapping whose folder is full kills the process.
 * @throws {ParallelError} when there is no room
 */
export function reserve(fd: number, from: number, to: number): void {
  try {
    for (let at = from; at < to;) at += writeSync(fd, zeros, 0, Math.min(zeros.length, to - at), at);
  } catch (cause) {
    throw new ParallelError(
      `Trainers: expected room for ${to - from} bytes in ${folder}, by which gradients are summed on one machine, but it is full. Make room (Docker: --shm-size), or sum over the network with \`--sum grpc\`.`,
      { bytes: to - from, folder },
      { cause },
    );
  }
}
