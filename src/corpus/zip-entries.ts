import { fileSource } from './byte-source.ts';
import { withZip } from './formats/zip-pool.ts';
import type { ArchiveEntry } from './recipe.ts';

/**
 * Reads through the files in zips, as `<zip's name>/<path in it>`.
 * @throws {ShardError} when an archive is damaged
 */
export async function* zipEntries(
  zips: readonly { readonly path: string; readonly name: string }[],
): AsyncGenerator<ArchiveEntry, void, void> {
  for (const { path, name } of zips) {
    const source = { ...(await fileSource(path, name)), path };
    const entries = await withZip(source, (zip) => zip.entries());
    for (const entry of entries)
      yield {
        path: `${name}/${entry.path}`,
        content: once(() => withZip(source, (zip) => zip.read(entry.path))),
        skip: () => {},
      };
  }
}

async function* once(read: () => Promise<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  yield await read();
}
