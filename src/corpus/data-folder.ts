import { access, constants } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The folder of a corpus' data: `$TAUSTREAM_CACHE/<name>` where that is set; in a clone, where the recipe's own folder
 * can be written, `data/` beside the recipe; else the user's cache folder.
 *
 * @param at URL of the recipe's module
 */
export async function dataFolder(name: string, at?: string): Promise<string> {
  const chosen = process.env['TAUSTREAM_CACHE'];
  if (chosen) return resolve(chosen, name);
  const beside = at === undefined ? undefined : dirname(fileURLToPath(at));
  if (beside && !beside.split(sep).includes('node_modules') && (await isWritable(beside))) return join(beside, 'data');
  return join(cacheFolder(process.platform, process.env), name);
}

/** Where a user's programs keep what they can fetch again. */
export function cacheFolder(
  platform: NodeJS.Platform,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  if (environment['XDG_CACHE_HOME']) return join(environment['XDG_CACHE_HOME'], 'taustream');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'taustream');
  if (platform === 'win32')
    return join(environment['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), 'taustream', 'Cache');
  return join(homedir(), '.cache', 'taustream');
}

const isWritable = (folder: string): Promise<boolean> =>
  access(folder, constants.W_OK).then(
    () => true,
    () => false, // whatever the reason is, the data goes elsewhere
  );
