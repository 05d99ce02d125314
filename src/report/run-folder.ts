import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { RunError, messageOf } from '../errors.ts';

/**
 * Makes a folder for a run. One that is there already is never written into: `-2`, `-3`, … is added to the name. Two
 * runs that start at once get two folders.
 *
 * @returns the folder made
 * @throws {RunError} when it cannot be made
 */
export async function createRunFolder(wanted: string): Promise<string> {
  try {
    await mkdir(dirname(wanted), { recursive: true });
    for (let number = 1; ; number++) {
      const folder = number === 1 ? wanted : `${wanted}-${number}`;
      if (await made(folder)) return folder;
    }
  } catch (cause) {
    const reason = messageOf(cause);
    throw new RunError(
      `${wanted}: cannot make the run's folder: ${reason}. Name another one with --out.`,
      { folder: wanted },
      { cause },
    );
  }
}

async function made(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}
