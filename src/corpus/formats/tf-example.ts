import type { Row } from './table.ts';

/**
 * Reads a serialised `tf.train.Example`: features → map entries (key, feature) → a list of bytes, floats or int64. A list
 * of one is that value; bytes that are UTF-8 text stay bytes unless they look like text to the one who asks.
 *
 * @throws {Error} when the bytes are no such message
 */
export function parseExample(bytes: Uint8Array): Row {
  const row: Record<string, unknown> = {};
  for (const features of fields(bytes))
    if (features.number === 1 && features.bytes)
      for (const entry of fields(features.bytes)) {
        if (entry.number !== 1 || !entry.bytes) continue;
        let name: string | undefined;
        let value: unknown;
        for (const part of fields(entry.bytes)) {
          if (part.number === 1 && part.bytes) name = text.decode(part.bytes);
          if (part.number === 2 && part.bytes) value = featureOf(part.bytes);
        }
        if (name !== undefined && value !== undefined) row[name] = value;
      }
  return row;
}

const text = new TextDecoder('utf-8', { fatal: true });

interface Field {
  readonly number: number;
  readonly bytes?: Uint8Array;
  readonly varint?: bigint;
  readonly fixed32?: number;
}

function* fields(bytes: Uint8Array): Generator<Field> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  while (at < bytes.length) {
    const key = varintAt(bytes, at);
    at = key.end;
    const [number, wire] = [Number(key.value >> 3n), Number(key.value & 7n)];
    if (wire === 0) {
      const { value, end } = varintAt(bytes, at);
      yield { number, varint: value };
      at = end;
    } else if (wire === 2) {
      const length = varintAt(bytes, at);
      const end = length.end + Number(length.value);
      if (end > bytes.length)
        throw new Error(`a field of ${length.value} bytes where ${bytes.length - length.end} are left`);
      yield { number, bytes: bytes.subarray(length.end, end) };
      at = end;
    } else if (wire === 5 && at + 4 <= bytes.length) {
      yield { number, fixed32: view.getFloat32(at, true) };
      at += 4;
    } else throw new Error(`a field of wire type ${wire}`);
  }
}

function varintAt(bytes: Uint8Array, at: number): { value: bigint; end: number } {
  let value = 0n;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) break;
    value |= BigInt(byte & 127) << BigInt(7 * i);
    if (byte < 128) return { value, end: at + i + 1 };
  }
  throw new Error('a number that does not end');
}

function featureOf(bytes: Uint8Array): unknown {
  for (const list of fields(bytes)) {
    if (!list.bytes) continue;
    if (list.number === 1)
      return single([...fields(list.bytes)].flatMap((item) => (item.bytes ? [asText(item.bytes)] : [])));
    if (list.number === 2) return single([...floats(list.bytes)]);
    if (list.number === 3) return single([...integers(list.bytes)]);
  }
  return undefined;
}

const single = (values: readonly unknown[]): unknown => (values.length === 1 ? values[0] : values);

/** Bytes that are printable text are text: features have one type for both. */
function asText(bytes: Uint8Array): string | Uint8Array {
  try {
    const decoded = text.decode(bytes);
    // eslint-disable-next-line no-control-regex -- control characters are what tells bytes from text
    return /[\u0000-\u0008\u000E-\u001F]/.test(decoded) ? bytes : decoded;
  } catch {
    return bytes; // not UTF-8: bytes
  }
}

function* floats(list: Uint8Array): Generator<number> {
  for (const item of fields(list)) {
    if (item.fixed32 !== undefined) yield item.fixed32;
    if (!item.bytes) continue;
    const view = new DataView(item.bytes.buffer, item.bytes.byteOffset, item.bytes.byteLength);
    for (let i = 0; i + 4 <= item.bytes.length; i += 4) yield view.getFloat32(i, true);
  }
}

function* integers(list: Uint8Array): Generator<number> {
  for (const item of fields(list)) {
    if (item.varint !== undefined) yield Number(BigInt.asIntN(64, item.varint));
    for (let at = 0; item.bytes && at < item.bytes.length;) {
      const { value, end } = varintAt(item.bytes, at);
      yield Number(BigInt.asIntN(64, value));
      at = end;
    }
  }
}
