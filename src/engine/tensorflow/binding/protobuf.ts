/**
 * The few bytes of protocol buffers that the C API wants (ConfigProto) and gives (OpList): writing and reading fields,
 * without a schema compiler.
 */
export type Field = readonly [number: number, value: number | bigint | string | Uint8Array | Double];
/** Marks a number to be written as a double, not as an integer. */
export class Double {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** Encodes fields in order. Nested messages are passed as their bytes. */
export function encodeMessage(fields: readonly Field[]): Uint8Array {
  return Buffer.concat(fields.map(encodeField));
}

function encodeField([number, value]: Field): Uint8Array {
  if (value instanceof Double) {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value.value);
    return Buffer.concat([varint((number << 3) | FIXED64), bytes]);
  }
  if (typeof value === 'number' || typeof value === 'bigint') {
    return Buffer.concat([varint(number << 3), varint(value)]);
  }
  const bytes = Buffer.from(value);
  return Buffer.concat([varint((number << 3) | BYTES), varint(bytes.length), bytes]);
}

function varint(value: number | bigint): Buffer {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

/** One field as read: integers as numbers (they are small here), everything else as bytes. */
export interface ReadField {
  readonly number: number;
  readonly integer: number;
  readonly bytes: Uint8Array;
}

const none = new Uint8Array();

/** Yields a message's fields in the order written. */
export function* readMessage(message: Uint8Array): Generator<ReadField, void, void> {
  let at = 0;
  const readVarint = () => {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = message[at++];
      if (byte === undefined)
        throw new RangeError(`readMessage(): the message ends within a number, at byte ${at - 1}.`);
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
  };
  while (at < message.length) {
    const tag = readVarint();
    const number = Math.floor(tag / 8);
    const kind = tag % 8;
    if (kind === VARINT) {
      yield { number, integer: readVarint(), bytes: none };
      continue;
    }
    const length = kind === BYTES ? readVarint() : kind === FIXED64 ? 8 : kind === FIXED32 ? 4 : -1;
    if (length < 0 || at + length > message.length) {
      throw new RangeError(`readMessage(): field ${number} does not fit the message, at byte ${at}.`);
    }
    yield { number, integer: 0, bytes: message.subarray(at, at + length) };
    at += length;
  }
}
