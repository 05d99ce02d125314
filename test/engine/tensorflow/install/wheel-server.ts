import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How a server treats requests for the file, one behaviour a request; the last goes on. `pause` waits for `cut()`. */
export type Behaviour = 'whole' | 'refuses' | 'hangs' | 'ignores ranges' | { readonly pauseAfter: number };

/** A package index of one project with one file, as the simple API in JSON has it. */
export class WheelServer {
  /** Ranges asked for, in order; '' for a request without one. */
  readonly ranges: string[] = [];
  readonly sha256: string;
  /** Whether the page tells digests. */
  tellsDigest = true;
  #paused: ServerResponse | undefined;
  readonly #server = createServer((request, response) => this.#answer(request, response));

  constructor(
    readonly name: string,
    readonly bytes: Buffer,
    readonly behaviours: Behaviour[],
  ) {
    this.sha256 = createHash('sha256').update(bytes).digest('hex');
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  get index(): string {
    const { port } = this.#server.address() as AddressInfo; // it listens on TCP
    return `http://127.0.0.1:${port}/simple`;
  }

  get url(): string {
    return new URL(`/files/${this.name}`, this.index).href;
  }

  #answer({ url = '', headers }: IncomingMessage, response: ServerResponse): void {
    if (!url.startsWith('/files/')) {
      const hashes = this.tellsDigest ? { sha256: this.sha256 } : {};
      const files = [{ filename: this.name, url: `/files/${this.name}`, hashes }];
      const page = { meta: { 'api-version': '1.0' }, name: 'tensorflow-cpu', files };
      response.writeHead(200, { 'content-type': 'application/vnd.pypi.simple.v1+json' });
      response.end(JSON.stringify(page));
      return;
    }
    this.ranges.push(headers.range ?? '');
    const behaviour = this.behaviours.length > 1 ? this.behaviours.shift()! : this.behaviours[0]!;
    if (behaviour === 'hangs') return;
    if (behaviour === 'refuses') return void response.writeHead(401).end();
    const from = behaviour === 'ignores ranges' ? 0 : Number(/bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
    const total = this.bytes.length;
    if (from >= total) return void response.writeHead(416, { 'content-range': `bytes */${total}` }).end();
    const range = from > 0 ? { 'content-range': `bytes ${from}-${total - 1}/${total}` } : {};
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': total - from, ...range });
    if (typeof behaviour === 'string') return void response.end(this.bytes.subarray(from));
    response.write(this.bytes.subarray(from, from + behaviour.pauseAfter));
    this.#paused = response;
  }

  /** Cuts the connection that pauses. */
  cut(): void {
    this.#paused?.destroy();
  }
}
