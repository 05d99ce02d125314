import { open, writeFile } from 'node:fs/promises';
import { FetchError } from '../errors.ts';
import type { ByteSource, OpenBytes } from './byte-source.ts';
import { fileSource, readFully } from './byte-source.ts';
import { DiskCache } from './disk-cache.ts';
import { mapConcurrently } from './map-concurrently.ts';
import { answered, Interrupted, retried, type Alive } from './retry.ts';
import { environmentS3, reasonIn, s3Request, type S3Options } from './s3.ts';

const COPY_BYTES = 16 * 2 ** 20;
/** An answer that is longer than this is no message of an error. */
const MOST_REASON_BYTES = 16_384;

export interface RemoteOptions {
  /** Bytes asked for at a time, and kept as one file of the cache. @default 4 MiB – guess */
  readonly chunkBytes?: number;
  /** Chunks that are fetched at a time. @default 4 – guess */
  readonly atOnce?: number;
  /** Tries of a request before it fails. @default 5 */
  readonly attempts?: number;
  /** Milliseconds before the second try; doubled for each further one, and shortened by up to a half at random. @default 250 */
  readonly pauseMs?: number;
  /** Milliseconds without a byte after which a request is given up and tried again. @default 30,000 */
  readonly stallMs?: number;
  /** Keeps chunks. @default `remote` in the user's cache folder, 20 GiB */
  readonly cache?: DiskCache;
  /** Signs requests to `s3://`. @default from the environment: `AWS_ACCESS_KEY_ID`, `AWS_REGION`, `AWS_ENDPOINT_URL`, … */
  readonly s3?: S3Options;
  /** Ends the opening. */
  readonly signal?: AbortSignal;
}

/** Whether a path is a URL that is read over the network. */
export const isRemote = (path: string): boolean => /^(https?|s3):\/\//.test(path);

/**
 * A file on the network, read in chunks that are kept on the disk. A chunk is asked for with its range and checked: the
 * bytes must be as many as asked for, of the version that was opened. What stalls, is cut short, or is answered with 408,
 * 429 or 5xx is tried again.
 *
 * @throws {FetchError} when it cannot be had, changes, or the server knows no ranges
 * @throws {unknown} the reason of a signal, which ends what is being waited for
 * @example const source = await remoteSource('https://example.org/train.tar');
 */
export async function remoteSource(url: string, options: RemoteOptions = {}): Promise<ByteSource> {
  if (/^https?:\/\/[^/]*@/.test(url))
    throw new FetchError(
      `\`${shown(url)}\`: expected a URL without a login, got one with. Leave it out, or fetch the file first and open it as a file.`,
      { url: shown(url) },
    );
  const remote = new Remote(url, options);
  const { bytes, version } = await remote.inquire(options.signal);
  const name = nameIn(url);
  const state = `${url} ${bytes} ${version}`;
  return { name, bytes, state, open: async (signal) => remote.reader({ name, bytes, version }, signal) };
}

/** The file's name; as it stands there where a sign of percent begins no code. */
function nameIn(url: string): string {
  const { pathname, host } = new URL(url);
  const last = pathname.split('/').at(-1) || host;
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

/** A URL without what one logs in by, for messages. */
const shown = (url: string): string => url.replace(/\?.*/, '?…').replace(/\/\/[^/]*@/, '//…@');

/**
 * A remote file as a file on this machine, for what must be entered at its end or unpacked as a whole (zip, gzip).
 * It lies in the cache: fetched chunk by chunk, so that a download that was broken off goes on where it stood.
 */
export async function localCopy(
  source: ByteSource,
  cache = new DiskCache('remote'),
  signal?: AbortSignal,
): Promise<ByteSource & { readonly path: string }> {
  const write = async (temporary: string, alive: AbortSignal) => {
    const reader = await source.open(alive);
    const file = await open(temporary, 'wx');
    try {
      for (let from = 0; from < source.bytes; from += COPY_BYTES)
        await file.writeFile(await reader.read(from, Math.min(source.bytes, from + COPY_BYTES)));
      await file.sync();
    } finally {
      await file.close();
      await reader.close();
    }
  };
  const path = await cache.path(`whole ${source.state ?? source.name}`, write, signal);
  return { ...(await fileSource(path, source.name)), path };
}

interface Version {
  readonly bytes: number;
  /** The ETag, or the date of the last change, or nothing that tells versions apart. */
  readonly version: string;
}

interface RemoteFile extends Version {
  readonly name: string;
}

class Remote {
  readonly #url: string;
  readonly #options: Required<Omit<RemoteOptions, 's3' | 'signal'>>;
  readonly #s3: S3Options;

  constructor(url: string, { s3 = environmentS3(), ...options }: RemoteOptions) {
    this.#url = url;
    this.#s3 = s3;
    this.#options = {
      chunkBytes: options.chunkBytes ?? 4 * 2 ** 20,
      atOnce: options.atOnce ?? 4,
      attempts: options.attempts ?? 5,
      pauseMs: options.pauseMs ?? 250,
      stallMs: options.stallMs ?? 30_000,
      cache: options.cache ?? new DiskCache('remote'),
    };
  }

  /** Asks for one byte, which tells the size, the version, and whether there are ranges at all. */
  inquire(signal?: AbortSignal): Promise<Version> {
    return this.#retried(async (alive) => {
      const response = await this.#request(0, 1, alive);
      if (response.status >= 400 && response.status !== 416) throw await this.#refused(response);
      await response.body?.cancel();
      const range = /^bytes \d+-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
      if (response.status === 416 && /^bytes \*\/0$/.test(response.headers.get('content-range') ?? ''))
        return { bytes: 0, version: versionOf(response) };
      if (response.status === 206 && range) return { bytes: Number(range[1]), version: versionOf(response) };
      throw this.#error('an answer to a range (206)', `${response.status}`);
    }, signal);
  }

  reader(file: RemoteFile, signal?: AbortSignal): OpenBytes {
    const { chunkBytes, atOnce } = this.#options;
    return {
      read: async (from, to, into = new Uint8Array(to - from)) => {
        const first = Math.floor(from / chunkBytes);
        const chunks = Array.from({ length: Math.ceil(to / chunkBytes) - first }, (_, i) => (first + i) * chunkBytes);
        const readOne = async (start: number) => {
          const chunk = { start, end: Math.min(file.bytes, start + chunkBytes) };
          const [low, high] = [Math.max(from, start), Math.min(to, start + chunkBytes)];
          await this.#readChunk(file, chunk, low, into.subarray(low - from, high - from), signal);
        };
        await mapConcurrently(chunks, readOne, atOnce);
        return into;
      },
      close: async () => {},
    };
  }

  /** @param from of the file, within the chunk */
  async #readChunk(
    { name, version }: RemoteFile,
    { start, end }: { readonly start: number; readonly end: number },
    from: number,
    into: Uint8Array,
    signal?: AbortSignal,
  ) {
    const write = async (path: string, stop: AbortSignal) => {
      const bytes = await this.#retried((alive) => this.#fetchRange(start, end, version, alive), stop);
      await writeFile(path, bytes, { flag: 'wx' });
    };
    const handle = await this.#options.cache.open(`${this.#url} ${version} ${start}-${end}`, write, signal);
    try {
      await readFully(handle, name, from - start, from - start + into.length, into);
    } finally {
      await handle.close();
    }
  }

  async #fetchRange(start: number, end: number, version: string, alive: Alive): Promise<Uint8Array> {
    const response = await this.#request(start, end, alive);
    const got = versionOf(response);
    if (response.status === 416 || (response.status === 206 && got !== version)) await response.body?.cancel(); // else it would hold the connection
    if (response.status === 416)
      throw this.#error(`bytes ${start} to ${end}`, 'a shorter file (416): it has changed. Open the corpus again');
    if (response.status !== 206) throw await this.#refused(response);
    if (got !== version) throw this.#error(`version ${version}`, `${got}: the file has changed. Open the corpus again`);
    const bytes = new Uint8Array(end - start);
    let filled = 0;
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      alive.touch();
      if (filled + chunk.length > bytes.length) throw new Interrupted(`more than ${bytes.length} bytes`);
      bytes.set(chunk, filled);
      filled += chunk.length;
    }
    if (filled < bytes.length) throw new Interrupted(`${filled} of ${bytes.length} bytes`);
    return bytes;
  }

  /** @param response of a status that says no; what it says of the reason is short, or not looked at */
  async #refused(response: Response): Promise<FetchError> {
    const isShort = Number(response.headers.get('content-length') ?? Infinity) <= MOST_REASON_BYTES;
    const reason = isShort ? reasonIn(await response.text()) : '';
    if (!isShort) await response.body?.cancel();
    return this.#error('an answer to a range (206)', `${response.status}${reason}`);
  }

  async #request(start: number, end: number, alive: Alive): Promise<Response> {
    // `fetch` itself adds to a range that the bytes are to come as they are; given twice, that would not be what is signed
    const headers = { range: `bytes=${start}-${end - 1}` };
    const request = this.#url.startsWith('s3://')
      ? await s3Request(this.#url, this.#s3, { headers })
      : new Request(this.#url, { headers });
    return answered(request, alive);
  }

  #retried<Result>(work: (alive: Alive) => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    return retried(this.#options, work, (expected, got, cause) => this.#error(expected, got, cause), signal);
  }

  #error(expected: string, got: string, cause?: unknown): FetchError {
    return new FetchError(
      `\`${shown(this.#url)}\`: expected ${expected}, got ${got}. Check the URL and the network.`,
      { url: shown(this.#url), expected, got },
      { cause },
    );
  }
}

const versionOf = ({ headers }: Response): string =>
  headers.get('etag') ?? headers.get('last-modified') ?? 'unversioned';
