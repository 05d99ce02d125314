import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * The folder where engines live: `TAUSTREAM_CACHE`, else `taustream` in the user's cache folder (`XDG_CACHE_HOME` or
 * `~/.cache`; `~/Library/Caches` on macOS; `%LOCALAPPDATA%` on Windows).
 */
export function cacheFolder(
  environment: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
  home = homedir(),
): string {
  const own = environment['TAUSTREAM_CACHE'];
  if (own) return resolve(own);
  return join(userCache(environment, platform, home), 'taustream');
}

function userCache(environment: NodeJS.ProcessEnv, platform: NodeJS.Platform, home: string): string {
  if (environment['XDG_CACHE_HOME']) return environment['XDG_CACHE_HOME'];
  if (platform === 'darwin') return join(home, 'Library', 'Caches');
  if (platform === 'win32') return environment['LOCALAPPDATA'] ?? join(home, 'AppData', 'Local');
  return join(home, '.cache');
}

/** The folder of all TensorFlow installations. */
export const installationsFolder = (cacheDir = cacheFolder()): string => join(cacheDir, 'tensorflow');
