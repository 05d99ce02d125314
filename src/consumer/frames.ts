import { Packr } from 'msgpackr';
import { ConsumerError } from '../errors.ts';

/**
 * A frame, byte by byte (docs/frames.md): a msgpack array of four whose head has a fixed size, so that a reader may take
 * it for plain msgpack, or read head, header and payload each by its length and never copy the payload.
 *
 *     0      0x94            array of 4
 *     1      0x01            version of the protocol
 *     2      0x00–0x7f       kind
 *     3      0xc6            bin 32
 *     4–7    H, big-endian   bytes of the header
 *     8      header          a msgpack map
 *     8+H    0xc6            bin 32
 *     9+H    P, big-endian   bytes of the payload
 *     13+H   payload
 */
export const frameVersion = 1;
export const headBytes = 8;
const lengthBytes = 5;

/** What a frame is about; those below 16 go to the consumer, the others come from it. */
export const frameKinds = {
  hello: 1,
  batch: 2,
  score: 3,
  end: 4,
  error: 5,
  greeting: 16,
  done: 17,
  scores: 18,
  bye: 19,
} as const;
export type FrameKind = (typeof frameKinds)[keyof typeof frameKinds];

export interface Frame {
  readonly kind: number;
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Uint8Array;
}

const msgpack = new Packr({ useRecords: false, variableMapSize: true });

/** Makes a frame of a header and the parts of its payload, in order. @returns chunks to be written; nothing is copied */
export function encodeFrame(
  kind: FrameKind,
  header: Readonly<Record<string, unknown>>,
  payload: readonly Uint8Array[] = [],
): Uint8Array[] {
  const packed = msgpack.pack(header);
  const payloadBytes = payload.reduce((sum, part) => sum + part.byteLength, 0);
  if (payloadBytes > 0xffff_ffff)
    throw new ConsumerError(
      `Frame: expected at most 4 GiB of payload, got ${payloadBytes} bytes. Use smaller batches.`,
    );
  const head = Buffer.alloc(headBytes + packed.length + lengthBytes);
  head.set([0x94, frameVersion, kind, 0xc6]);
  head.writeUInt32BE(packed.length, 4);
  head.set(packed, headBytes);
  head[headBytes + packed.length] = 0xc6;
  head.writeUInt32BE(payloadBytes, headBytes + packed.length + 1);
  return [head, ...payload];
}

/** The most that a frame may hold; a reader that is told of more has garbage before it. */
export interface FrameLimits {
  readonly headerBytes: number;
  readonly payloadBytes: number;
}

/** Puts frames together from chunks of any size. Holds at most one frame that is not whole yet, and one chunk. */
export class FrameReader {
  readonly #limits: FrameLimits;
  #rest: Buffer = Buffer.alloc(0);

  constructor(limits: FrameLimits) {
    this.#limits = limits;
  }

  /** Bytes of a frame that is not whole yet. */
  get pending(): number {
    return this.#rest.length;
  }

  /**
   * Takes a chunk. @returns the frames that it made whole
   * @throws {ConsumerError} when the bytes are no frames, or too large
   */
  push(chunk: Uint8Array): Frame[] {
    this.#rest = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk]);
    const frames: Frame[] = [];
    for (let frame = this.#take(); frame; frame = this.#take()) frames.push(frame);
    return frames;
  }

  #take(): Frame | undefined {
    const bytes = this.#rest;
    if (bytes.length > 0) expectByte(bytes, 0, 0x94, 'a frame (0x94)');
    if (bytes.length > 1) expectByte(bytes, 1, frameVersion, `version ${frameVersion} of the protocol`);
    if (bytes.length < headBytes) return undefined;
    expectByte(bytes, 3, 0xc6, 'a header (0xc6)');
    const headerBytes = bytes.readUInt32BE(4);
    expectAtMost('header', headerBytes, this.#limits.headerBytes);
    const begin = headBytes + headerBytes + lengthBytes;
    if (bytes.length < begin) return undefined;
    expectByte(bytes, begin - lengthBytes, 0xc6, 'a payload (0xc6)');
    const payloadBytes = bytes.readUInt32BE(begin - 4);
    expectAtMost('payload', payloadBytes, this.#limits.payloadBytes);
    if (bytes.length < begin + payloadBytes) return undefined;
    this.#rest = bytes.subarray(begin + payloadBytes);
    return {
      kind: bytes[2]!,
      header: unpackHeader(bytes.subarray(headBytes, headBytes + headerBytes)),
      payload: new Uint8Array(bytes.subarray(begin, begin + payloadBytes)), // a copy, aligned for every number type
    };
  }
}

function expectByte(bytes: Uint8Array, at: number, expected: number, what: string): void {
  if (bytes[at] === expected) return;
  const found = `0x${bytes[at]!.toString(16).padStart(2, '0')}`;
  throw new ConsumerError(`Frame: expected ${what}, got the byte ${found}. Speak the protocol of docs/frames.md.`, {
    expected,
    got: bytes[at],
  });
}

function expectAtMost(what: string, got: number, limit: number): void {
  if (got <= limit) return;
  throw new ConsumerError(`Frame: expected a ${what} of at most ${limit} bytes, got ${got}. Send less.`, {
    limit,
    got,
  });
}

function unpackHeader(bytes: Uint8Array): Record<string, unknown> {
  let header: unknown;
  try {
    header = msgpack.unpack(bytes);
  } catch (cause) {
    throw new ConsumerError('Frame: expected a msgpack map as header, got other bytes. Send a map.', {}, { cause });
  }
  if (isMap(header)) return header;
  throw new ConsumerError(`Frame: expected a msgpack map as header, got ${typeof header}. Send a map.`);
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
