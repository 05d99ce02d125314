import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileSource } from '../corpus/byte-source.ts';
import { IMAGE_NAME } from '../corpus/formats/image.ts';
import { withZip } from '../corpus/formats/zip-pool.ts';
import { CorpusError } from '../errors.ts';

/** A picture that was named on the command line, or lies in a folder or zip that was. */
export interface PictureFile {
  readonly name: string;
  /** @throws what cannot be read says why */
  read(this: void): Promise<Uint8Array>;
}

/** The pictures of each path in turn: the file itself, or those in a folder or zip, by name. What cannot be opened is one that cannot be read. */
export async function* pictureFiles(paths: readonly string[]): AsyncGenerator<PictureFile, void, void> {
  for (const path of paths)
    try {
      yield* await picturesAt(path);
    } catch (error) {
      yield { name: path, read: () => Promise.reject(error) };
    }
}

async function picturesAt(path: string): Promise<readonly PictureFile[]> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false, // not there: said as it is read
  );
  const isZip = !isFolder && /\.zip$/i.test(path);
  if (!isFolder && !isZip) return [{ name: path, read: () => readFile(path) }];
  const found = (isZip ? await inZip(path) : await inFolder(path)).filter(({ name }) => IMAGE_NAME.test(name));
  if (found.length > 0) return found;
  throw new CorpusError(`${path}: expected pictures in it, got none. Check the path.`, { path });
}

async function inZip(path: string): Promise<PictureFile[]> {
  const source = { ...(await fileSource(path, path)), path };
  return withZip(source, async (zip) =>
    (await zip.entries()).map((entry) => ({
      name: `${path}:${entry.path}`,
      read: () => withZip(source, (again) => again.read(entry.path)),
    })),
  );
}

async function inFolder(path: string): Promise<PictureFile[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted((a, b) => (a < b ? -1 : 1))
    .map((name) => ({ name, read: () => readFile(name) }));
}
