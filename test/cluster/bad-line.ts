import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRng } from '../../src/stream/random.ts';
import { freePort } from './test-server.ts';

export interface LineTrouble {
  /** Milliseconds by which every stretch of bytes is late. */
  readonly delayMs?: number;
  /** Share of the stretches that are lost on the way and sent again `againMs` later; those behind them wait, as TCP has it. */
  readonly lossShare?: number;
  readonly againMs?: number;
}

/** A line to a server that is slow, loses packets, falls silent, and is cut. */
export class BadLine {
  readonly port: number;
  /** Connections that were cut, stretches that were lost and sent again, and bytes that never came. */
  cuts = 0;
  resent = 0;
  swallowed = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isSilent = false;

  private constructor(port: number, target: number, trouble: LineTrouble) {
    this.port = port;
    const rng = createRng(7, 'line', port === 0 ? 0 : 1);
    this.#server = createServer((client) => {
      const upstream = connect(target, '127.0.0.1');
      for (const [from, to] of [
        [client, upstream],
        [upstream, client],
      ] as const)
        this.#carry(from, to, trouble, () => rng.uniform());
    });
  }

  static async open(target: number, trouble: LineTrouble = {}): Promise<BadLine> {
    const line = new BadLine(await freePort(), target, trouble);
    await new Promise<void>((resolve) => line.#server.listen(line.port, '127.0.0.1', resolve));
    return line;
  }

  #carry(from: Socket, to: Socket, { delayMs = 0, lossShare = 0, againMs = 200 }: LineTrouble, draw: () => number) {
    this.#sockets.add(from);
    let before = Promise.resolve();
    from.on('data', (bytes) => {
      if (this.#isSilent) {
        this.swallowed += bytes.length;
        return;
      }
      const isLost = draw() < lossShare;
      if (isLost) this.resent += 1;
      const late = sleep(delayMs + (isLost ? againMs : 0));
      before = Promise.all([before, late]).then(() => void (to.writable && to.write(bytes)));
    });
    from.on('close', () => to.destroy());
    from.on('error', () => to.destroy());
  }

  /** Says nothing for a while, whatever is sent, and is cut then. */
  async silence(ms: number): Promise<void> {
    this.#isSilent = true;
    await sleep(ms);
    this.cut();
    this.#isSilent = false;
  }

  cut(): void {
    for (const socket of this.#sockets) if (!socket.destroyed) this.cuts += 1;
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
