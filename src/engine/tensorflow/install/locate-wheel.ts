import { spawn } from 'node:child_process';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import type { RemoteFile } from './resume-download.ts';

/** What pip did. */
export interface PipRun {
  readonly exitCode: number | null;
  readonly errors: string;
  /** The file that pip was about to download when it was stopped. */
  readonly located?: RemoteFile;
}

/**
 * Runs `pip download -vv` until it begins to download a wheel of which it told the whole address, and stops it there: pip knows the
 * user's index and what fits the machine, but starts anew where a download is cut off. Pip goes on to its end where it has
 * the wheel already, or where the index gives no digest.
 *
 * @param folder for what pip leaves behind when it is stopped
 */
export async function locateWheel(
  command: string,
  args: readonly string[],
  folder: string,
  signal?: AbortSignal,
): Promise<PipRun> {
  signal?.throwIfAborted();
  const env = { ...process.env, TMPDIR: folder, PYTHONUNBUFFERED: '1' };
  // in a group of its own: uv runs pip as a process that would outlive it
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env, detached: true });
  const stop = () => endGroup(child.pid, 'SIGINT');
  const abort = () => endGroup(child.pid, 'SIGTERM');
  signal?.addEventListener('abort', abort);
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  try {
    const [exitCode, located] = await Promise.all([ended, readLog(createInterface({ input: child.stdout }), stop)]);
    signal?.throwIfAborted();
    return { exitCode, errors, ...(located && { located }) };
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

function endGroup(group: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (group !== undefined) process.kill(-group, signal);
  } catch {
    // it has ended
  }
}

interface Link {
  readonly url: string;
  readonly page: string;
  readonly digest: Promise<string | undefined>;
}

/** Follows pip's log; `stop` is called when it names the wheel that it is about to download. */
async function readLog(lines: AsyncIterable<string>, stop: () => void): Promise<RemoteFile | undefined> {
  const links = new Map<string, Link>();
  const pages = new Map<string, Promise<unknown>>();
  for await (const line of lines) {
    const link = linkIn(line, pages);
    if (link) links.set(basename(decodeURIComponent(new URL(link.url).pathname)), link);
    const name = /Downloading (?:\S*\/)?([^/\s]+\.whl)(?:\s|$)/u.exec(line)?.[1];
    const chosen = name === undefined ? undefined : links.get(name);
    const sha256 = await chosen?.digest;
    if (name === undefined || chosen === undefined || sha256 === undefined) continue;
    stop();
    return { name, url: chosen.url, sha256 };
  }
  return undefined;
}

/** A wheel that pip found, with where it found it. Addresses whose passwords pip hides cannot be used. */
function linkIn(line: string, pages: Map<string, Promise<unknown>>): Link | undefined {
  const found = /Found link (https?:\S+?\.whl)(?:#sha256=([\da-f]{64}))?\S* \(from (https?:[^\s)]+)\)/u.exec(line);
  const [, url, inLink, page] = found ?? [];
  if (url === undefined || page === undefined || url.includes('****') || page.includes('****')) return undefined;
  if (inLink !== undefined) return { url, page, digest: Promise.resolve(inLink) };
  const listing = pages.get(page) ?? readPage(page);
  pages.set(page, listing);
  return { url, page, digest: listing.then((content) => digestIn(content, url, page)) };
}

/** The index's page about a package, or nothing. */
const readPage = (page: string): Promise<unknown> =>
  fetch(page, { headers: { accept: 'application/vnd.pypi.simple.v1+json' }, signal: AbortSignal.timeout(30_000) })
    .then((response): Promise<unknown> | undefined => (response.ok ? response.json() : undefined))
    .catch(() => undefined); // then pip downloads it

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;

function digestIn(content: unknown, url: string, page: string): string | undefined {
  const files = field(content, 'files');
  if (!Array.isArray(files)) return undefined;
  const file: unknown = files.find((each) => new URL(String(field(each, 'url')), page).href === new URL(url).href);
  const sha256 = field(field(file, 'hashes'), 'sha256');
  return typeof sha256 === 'string' && /^[\da-f]{64}$/u.test(sha256) ? sha256 : undefined;
}
