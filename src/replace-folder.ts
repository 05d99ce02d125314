import { rename, rm } from 'node:fs/promises';
import { isMissing } from './is-missing.ts';

/**
 * Renames a folder to a name under which another may lie. A folder cannot be renamed onto a full one, so the other steps
 * aside first; it comes back where the new one cannot take its place.
 */
export async function replaceFolder(from: string, to: string): Promise<void> {
  const aside = `${from}-old.tmp`;
  await rename(to, aside).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
  try {
    await rename(from, to);
  } catch (error) {
    await rename(aside, to).catch(() => {}); // there was none; the first error is the one to report
    throw error;
  }
  await rm(aside, { recursive: true, force: true });
}
