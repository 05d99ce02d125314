import type { Socket } from 'node:net';
import { ConsumerError, messageOf } from '../errors.ts';
import { encodeFrame, FrameReader, frameKinds, type Frame, type FrameLimits } from './frames.ts';

/** One consumer's connection: writes that wait for it, and frames that come from it. */
export class Connection {
  /** Resolves when it is over. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  #failure: ConsumerError | undefined;
  #isOver = false;

  /** @param onFrame told each frame; what it throws goes to the consumer as an error frame and ends the connection */
  constructor(socket: Socket, limits: FrameLimits, onFrame: (frame: Frame) => void) {
    this.#socket = socket;
    const reader = new FrameReader(limits);
    socket.on('data', (chunk: Buffer) => {
      if (this.#isOver) return;
      try {
        for (const frame of reader.push(chunk)) onFrame(frame);
      } catch (error) {
        this.fail(error);
      }
    });
    socket.on('error', () => {}); // 'close' follows, and says the same
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#isOver = true;
        if (reader.pending > 0)
          this.#failure ??= new ConsumerError(
            `Consumer: expected a whole frame, got ${reader.pending} bytes of one, then the end. Look at why it died.`,
          );
        resolve();
      });
    });
  }

  /** What went wrong, if it was not the consumer that ended it. */
  get failure(): ConsumerError | undefined {
    return this.#failure;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Writes a frame. @returns when the system has taken it, or the connection is over */
  send(chunks: readonly Uint8Array[]): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    return new Promise((resolve) => {
      this.#socket.cork();
      for (const chunk of chunks.slice(0, -1)) this.#socket.write(chunk);
      this.#socket.write(chunks.at(-1)!, () => resolve());
      this.#socket.uncork();
    });
  }

  /** Tells the consumer what it did wrong and ends the connection. */
  fail(error: unknown): void {
    this.#failure ??= asConsumerError(error);
    this.#isOver = true;
    const { code, message } = this.#failure;
    for (const chunk of encodeFrame(frameKinds.error, { code, message })) this.#socket.write(chunk);
    this.#end();
  }

  /** Ends the connection once everything is written. */
  end(): void {
    this.#isOver = true;
    this.#end();
  }

  #end(): void {
    this.#socket.end();
    // A consumer that does not read would keep the connection open for ever.
    const timer = setTimeout(() => this.#socket.destroy(), 2000);
    timer.unref();
    this.#socket.once('close', () => clearTimeout(timer));
  }
}

function asConsumerError(error: unknown): ConsumerError {
  if (error instanceof ConsumerError) return error;
  const message = messageOf(error);
  return new ConsumerError(`Consumer: ${message}`, {}, { cause: error });
}
