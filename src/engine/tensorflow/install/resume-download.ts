import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { FetchError } from '../../../errors.ts';

/** A file on a server. */
export interface RemoteFile {
  readonly name: string;
  readonly url: string;
  /** Of the whole file, in hexadecimal. */
  readonly sha256: string;
}

export interface DownloadOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: ((bytes: number, total: number) => void) | undefined;
  /** Seconds without a byte after which a connection counts as dead. @default 60 – guess */
  readonly idleSeconds?: number;
  /** Seconds before a connection that was cut is made anew; twice as many after each that brought nothing. @default 1 */
  readonly retrySeconds?: number;
}

/** Connections in a row that bring nothing before the download is given up for now. */
const fruitless = 5;

/**
 * Downloads a file into `folder`. What arrives is kept under the digest's name, and a download that was cut off, in this
 * process or one that was killed, goes on from there.
 *
 * @returns the file's path, or `undefined` when the server gave nothing at all
 * @throws {FetchError} when it was cut off too often, which leaves the part for the next time, or has another digest
 */
export async function resumeDownload(
  file: RemoteFile,
  folder: string,
  options: DownloadOptions = {},
): Promise<string | undefined> {
  const { retrySeconds = 1 } = options;
  const part = join(folder, `${file.sha256}.part`);
  let failures = 0;
  for (;;) {
    const before = await bytesIn(part);
    const outcome = await fetchRest(file.url, part, before, options);
    options.signal?.throwIfAborted();
    if (outcome === 'whole') break;
    const after = await bytesIn(part);
    if (after === 0) return undefined;
    failures = after > before ? 0 : failures + 1;
    if (failures === fruitless) throw cutOff(file, after);
    await wait(retrySeconds * 1000 * 2 ** failures, undefined, { signal: options.signal });
  }
  await check(file, part, options.signal);
  await rename(part, join(folder, file.name));
  return join(folder, file.name);
}

const bytesIn = (file: string): Promise<number> =>
  stat(file).then(
    ({ size }) => size,
    () => 0, // it is not there yet
  );

const cutOff = ({ name }: RemoteFile, bytes: number) =>
  new FetchError(
    `installEngine(): the download of ${name} was cut off after ${(bytes / 1e6).toFixed(1)} MB and does not go on. ` +
      'Check the network and run the installation again: it goes on from there.',
    { name, bytes },
  );

/** Asks for the bytes that are missing and appends them. */
async function fetchRest(
  url: string,
  part: string,
  from: number,
  { signal, onBytes, idleSeconds = 60 }: DownloadOptions,
): Promise<'whole' | 'cut off'> {
  const idle = new AbortController();
  const timer = setTimeout(() => idle.abort(), idleSeconds * 1000);
  try {
    const response = await ask(url, from, signal ? AbortSignal.any([signal, idle.signal]) : idle.signal);
    const span = response && spanOf(response, from);
    if (!span?.body) return span && span.start === span.total && from > 0 ? 'whole' : 'cut off';
    const bytes = await append(span, part, (done) => {
      timer.refresh();
      onBytes?.(done, span.total);
    });
    return bytes >= span.total ? 'whole' : 'cut off';
  } catch (error) {
    if (isFileError(error)) throw error;
    return 'cut off'; // by the network: what has arrived is in the file
  } finally {
    clearTimeout(timer);
  }
}

/** Each chunk is in the file before the next is asked for, so that a cut loses none. */
async function append({ start, body }: Span, part: string, onBytes: (done: number) => void): Promise<number> {
  const out = await open(part, start > 0 ? 'a' : 'w');
  let bytes = start;
  try {
    for await (const chunk of body ?? []) {
      await out.writeFile(chunk);
      bytes += chunk.length;
      onBytes(bytes);
    }
  } finally {
    await out.close();
  }
  return bytes;
}

/** No answer is no response. */
const ask = (url: string, from: number, signal: AbortSignal): Promise<Response | undefined> =>
  fetch(url, {
    headers: { 'accept-encoding': 'identity', ...(from > 0 && { range: `bytes=${from}-` }) },
    signal,
  }).catch(() => undefined);

interface Span {
  /** Where in the file the body begins. */
  readonly start: number;
  readonly total: number;
  readonly body?: ReadableStream<Uint8Array>;
}

/** What a response gives of the file, if it gives any. */
function spanOf(response: Response, from: number): Span | undefined {
  const { status, headers, body } = response;
  const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/u.exec(headers.get('content-range') ?? '');
  if (status === 416 && Number(range?.[2]) === from) return { start: from, total: from };
  if (!body) return undefined;
  if (status === 206 && Number(range?.[1]) === from) return { start: from, total: Number(range?.[2]), body };
  const length = headers.get('content-length');
  if (status === 200) return { start: 0, total: length === null ? 0 : Number(length), body };
  void body.cancel();
  return undefined;
}

/** Whether the disk failed, not the network. */
const isFileError = (error: unknown): boolean =>
  error instanceof Error && 'syscall' in error && ['open', 'write'].includes(String(error.syscall));

async function check({ name, sha256 }: RemoteFile, part: string, signal?: AbortSignal): Promise<void> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(part, { highWaterMark: 1 << 20 }), hash, signal ? { signal } : {});
  const found = hash.digest('hex');
  if (found === sha256) return;
  await rm(part, { force: true });
  throw new FetchError(
    `installEngine(): ${name} arrived with sha256 ${found}, expected ${sha256}: it was damaged on the way. Run the installation again.`,
    { name, found, sha256 },
  );
}
