import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Bytes `[from, to)`. */
export type ByteRange = readonly [from: number, to: number];

/** A server on this machine while the tests of a `describe` run. Call inside `describe`. */
export function httpServer(listener: RequestListener): { readonly base: string; readonly requests: IncomingMessage[] } {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    listener(request, response);
  });
  before((done) => void server.listen(0, '127.0.0.1', done));
  beforeEach(() => {
    requests.length = 0;
  });
  after((done) => {
    server.closeAllConnections();
    server.close(() => done());
  });
  return {
    get base() {
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // null and paths are of other kinds of servers
    },
    requests,
  };
}

/** What a request asks for, of so many bytes. */
export function rangeOf({ headers }: IncomingMessage, length: number): ByteRange {
  const [, from = '0', to = '0'] = /bytes=(\d+)-(\d+)/.exec(headers.range ?? '') ?? [];
  return [Number(from), Math.min(length, Number(to) + 1)];
}

/** Begins the answer to a range; the bytes are still to be sent. */
export const beginRange = (
  response: ServerResponse,
  [from, to]: ByteRange,
  length: number,
  headers: Readonly<Record<string, string | number>> = {},
): ServerResponse =>
  response.writeHead(206, { 'content-range': `bytes ${from}-${to - 1}/${length}`, etag: '"one"', ...headers });
