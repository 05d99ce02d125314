import { FetchError } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';
import { localCopy, remoteSource } from './remote-source.ts';
import { sharedWork, type SharedWork } from './shared-work.ts';

/** A manifest larger than this is none. */
const MOST_MANIFEST_BYTES = 64 * 2 ** 20;

/** Whether a remote path is a folder: it ends with `/`. */
export const isRemoteFolder = (path: string): boolean => /^(https?|s3):\/\/.*\/$/.test(path);

/** The URL of a file in a remote folder. */
export const remoteFile = (folder: string, file: string): string =>
  `${folder.endsWith('/') ? folder : `${folder}/`}${encodeURIComponent(file)}`;

/**
 * Reads a small text of a remote folder.
 * @throws {FetchError} when it cannot be had, or is no small one
 */
export async function remoteText(folder: string, file: string, signal?: AbortSignal): Promise<string> {
  const url = remoteFile(folder, file);
  const source = await remoteSource(url, signal && { signal });
  if (source.bytes > MOST_MANIFEST_BYTES)
    throw new FetchError(
      `\`${url}\`: expected at most ${MOST_MANIFEST_BYTES} bytes, got ${source.bytes}. Check the URL.`,
      {
        url,
      },
    );
  const reader = await source.open(signal);
  try {
    return Buffer.from(await reader.read(0, source.bytes)).toString('utf8');
  } finally {
    await reader.close();
  }
}

/** Remote files that were asked about: a shard is opened for every few blocks, and stays what it is. */
const known = new Map<string, SharedWork<ByteSource>>();

/** A shard of a remote folder as a file on this machine: it is fetched whole, into the cache, when it is first read. */
export async function localShard(folder: string, file: string, signal?: AbortSignal): Promise<string> {
  const url = remoteFile(folder, file);
  const opening = sharedWork(known, url, (alive) => remoteSource(url, { signal: alive }));
  try {
    return (await localCopy(await opening.result(signal), undefined, signal)).path;
  } catch (error) {
    known.delete(url); // it may have changed since
    throw error;
  }
}
