import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expectToken, isLoopback, isSameToken } from '../../access.ts';
import { RunError, messageOf } from '../../errors.ts';
import { page, runMain } from '../run-page/page.ts';
import { readRun } from '../run-page/read-run.ts';
import { findRun, listMain, listRuns, type ListedRun } from './run-list.ts';

export interface WatchOptions {
  /** The folder of runs, or of one run. */
  readonly folder: string;
  /** 0 takes a free one. @default 4380 */
  readonly port?: number;
  /** @default '127.0.0.1', this machine alone */
  readonly host?: string;
  /** Asked of every request where other machines can connect: `?token=…`. */
  readonly token?: string;
  /** Milliseconds between two looks at the folder. @default 1000 */
  readonly everyMs?: number;
}

/** A server that shows runs as they go. */
export interface WatchServer extends AsyncDisposable {
  /** Where to point a browser. */
  readonly url: string;
}

/** Replaces what the page shows by what the server sends; tries again by itself when the server was away. */
const script = (path: string): string => `
const events = new EventSource(${JSON.stringify(path)});
events.onmessage = ({ data }) => {
  document.querySelector('main').innerHTML = JSON.parse(data);
  document.body.dataset.updates = Number(document.body.dataset.updates ?? 0) + 1;
};`;

/** A browser that does not read is waited for. Leaves no listener behind. */
const untilDrained = (response: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const go = () => {
      response.off('drain', go).off('close', go);
      resolve();
    };
    response.on('drain', go).on('close', go);
  });

/** What a page shows now, and a stamp that changes with it. */
interface Seen {
  readonly stamp: string;
  readonly main: () => Promise<string>;
}
type Look = () => Promise<Seen | undefined>;

const lookOf = (folder: string, { stamp }: ListedRun): Seen => ({
  stamp,
  main: async () => runMain(await readRun(folder)),
});

/**
 * Shows the runs of a folder, or the one run whose folder it is, on a web page of this machine. Pages change while runs go on, by server-sent events.
 *
 * @throws {OptionsError} when other machines could connect and no token is asked of them
 * @throws {RunError} when the port is taken
 * @example
 * await using server = await watchRuns({ folder: 'runs' });
 * console.log(server.url);
 */
export async function watchRuns(options: WatchOptions): Promise<WatchServer> {
  const { host = '127.0.0.1', port = 4380, token = '' } = options;
  expectToken('watchRuns()', host, token);
  const watch = new Watch(options);
  await new Promise<void>((resolve, reject) => {
    watch.server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'somebody listens there already' : cause.message;
      reject(
        new RunError(
          `${host}:${port}: expected an address to listen on, but ${why}. Name another.`,
          { port },
          { cause },
        ),
      );
    });
    watch.server.listen(port, host, resolve);
  });
  const bound = (watch.server.address() as AddressInfo).port; // it listens on TCP
  const url = `http://${host}:${bound}/${token && `?token=${encodeURIComponent(token)}`}`;
  return { url, [Symbol.asyncDispose]: () => watch.close() };
}

class Watch {
  readonly server: Server;
  readonly #options: WatchOptions;
  readonly #listeners = new Set<() => void>();

  constructor(options: WatchOptions) {
    this.#options = options;
    this.server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' });
        response.end(messageOf(error));
      });
    });
  }

  async close(): Promise<void> {
    for (const stop of this.#listeners) stop();
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const refusal = this.#refusal(request, url);
    if (refusal) return void response.writeHead(refusal[0], { 'content-type': 'text/plain' }).end(refusal[1]);
    const isEvents = url.pathname.startsWith('/events');
    const path = isEvents ? url.pathname.slice('/events'.length) : url.pathname;
    const look = this.#lookAt(path);
    const seen = await look?.();
    if (!look || !seen)
      return void response.writeHead(404, { 'content-type': 'text/plain' }).end('There is no such run.');
    if (isEvents) return this.#send(request, response, look);
    const html = page(`taustream ${path}`, await seen.main(), script(`/events${path}${url.search}`));
    response.writeHead(200, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy':
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; connect-src 'self'",
    });
    response.end(html);
  }

  /** Other sites must not read runs through a browser on this machine, by a name of theirs that leads here. */
  #refusal({ method, headers }: IncomingMessage, url: URL): [number, string] | undefined {
    const { token = '' } = this.#options;
    if (method !== 'GET') return [405, 'Only GET is answered.'];
    if (token !== '')
      return isSameToken(url.searchParams.get('token') ?? '', token) ? undefined : [401, 'Add the token: ?token=…'];
    const name = (headers.host ?? '').replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
    return isLoopback(name) ? undefined : [403, 'Ask by the name localhost.'];
  }

  #lookAt(path: string): Look | undefined {
    const { folder } = this.#options;
    if (path === '/')
      return async () => {
        const run = await findRun(folder);
        if (run) return lookOf(folder, run);
        const runs = await listRuns(folder);
        return { stamp: runs.map(({ name, stamp }) => name + stamp).join(), main: async () => listMain(runs) };
      };
    const wanted = /^\/runs\/([^/]+)$/.exec(path)?.[1];
    if (wanted === undefined) return undefined;
    return async () => {
      const run = (await listRuns(folder)).find(({ name }) => encodeURIComponent(name) === wanted);
      return run && lookOf(join(folder, run.name), run);
    };
  }

  /** Sends what a page shows whenever it has changed, until the browser leaves. */
  #send(request: IncomingMessage, response: ServerResponse, look: Look): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write('retry: 1000\n\n');
    let sent = '';
    let isOver = false;
    let timer: NodeJS.Timeout | undefined;
    const stop = () => {
      isOver = true;
      clearTimeout(timer);
      this.#listeners.delete(stop);
      response.end();
    };
    const again = async (): Promise<void> => {
      const seen = await look();
      const main = seen && seen.stamp !== sent ? await seen.main() : undefined;
      if (isOver) return; // the browser left meanwhile
      if (seen && main !== undefined) {
        sent = seen.stamp;
        response.write(`data: ${JSON.stringify(main)}\n\n`);
      }
      if (response.writableNeedDrain) await untilDrained(response);
      if (!isOver) timer = setTimeout(() => void again().catch(stop), this.#options.everyMs ?? 1000);
    };
    this.#listeners.add(stop);
    request.once('close', stop);
    void again().catch(stop);
  }
}
