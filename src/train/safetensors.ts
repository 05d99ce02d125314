import { endianness } from 'node:os';
import { z } from 'zod';
import { RunError } from '../errors.ts';

/**
 * The safetensors format: an 8-byte little-endian header length N, N bytes of JSON (`{ name: { dtype, shape,
 * data_offsets: [begin, end] } }`, padded with spaces to a multiple of 8), then the tensors' bytes, little-endian, row
 * after row, without gaps. Nothing in it can be executed.
 */
const dtypes = {
  F32: { bytes: 4, make: (buffer: ArrayBuffer) => new Float32Array(buffer) },
  I32: { bytes: 4, make: (buffer: ArrayBuffer) => new Int32Array(buffer) },
  U8: { bytes: 1, make: (buffer: ArrayBuffer) => new Uint8Array(buffer) },
} as const;
type Dtype = keyof typeof dtypes;

/** A tensor's values on the host. `Uint8Array` also holds booleans, as 0 and 1. */
export interface TensorData {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | Uint8Array;
}

/** The header of `tensors` and the chunks that make up the file, in order. Nothing is copied. */
export function encodeSafetensors(
  tensors: Readonly<Record<string, TensorData>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array[] {
  if (endianness() !== 'LE') throw new RunError('encodeSafetensors(): expected a little-endian machine.');
  const header: Record<string, unknown> = Object.keys(metadata).length > 0 ? { __metadata__: metadata } : {};
  const chunks: Uint8Array[] = [];
  let offset = 0;
  // Alignment first: four-byte values lie on multiples of four for readers that map the file.
  const byWidth = Object.entries(tensors).toSorted(([, a], [, b]) => width(b) - width(a));
  for (const [name, tensor] of byWidth) {
    expectCount(name, tensor);
    const end = offset + tensor.data.byteLength;
    header[name] = { dtype: dtypeOf(tensor.data), shape: tensor.shape, data_offsets: [offset, end] };
    chunks.push(new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength));
    offset = end;
  }
  return [...encodeHeader(header), ...chunks];
}

const width = ({ data }: TensorData) => data.BYTES_PER_ELEMENT;
const dtypeOf = (data: TensorData['data']): Dtype => {
  if (data instanceof Float32Array) return 'F32';
  return data instanceof Int32Array ? 'I32' : 'U8';
};
const count = (shape: readonly number[]) => shape.reduce((product, axis) => product * axis, 1);

function expectCount(name: string, { shape, data }: TensorData): void {
  if (name === '__metadata__')
    throw new RunError('encodeSafetensors(): the format keeps the name `__metadata__` for itself. Rename the tensor.');
  if (count(shape) !== data.length)
    throw new RunError(
      `encodeSafetensors(): expected ${count(shape)} numbers in \`${name}\` [${shape.join(', ')}], got ${data.length}.`,
    );
}

function encodeHeader(header: object): [Uint8Array, Uint8Array] {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(Math.ceil(json.length / 8) * 8).fill(0x20);
  padded.set(json);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(padded.length), true);
  return [length, padded];
}

/**
 * Reads the tensors of a safetensors file's bytes.
 *
 * @param where the file, for messages
 * @returns copies, owned by the caller
 * @throws {RunError} when the bytes are not such a file: cut short, overlapping, or of a type that is not known here
 */
export function decodeSafetensors(bytes: Uint8Array, where: string): Record<string, TensorData> {
  const { header, body } = decodeHeader(bytes, where);
  const tensors: Record<string, TensorData> = {};
  let end = 0;
  const entries = Object.entries(header).filter(([name]) => name !== '__metadata__');
  for (const [name, value] of entries.toSorted(([, a], [, b]) => begin(a) - begin(b))) {
    const entry = readEntry(name, value, where);
    const [from, to] = entry.data_offsets;
    if (from !== end) throw damaged(where, `expected \`${name}\` at byte ${end} of the data, got ${from}`);
    if (to > body.length) throw damaged(where, `expected ${to} bytes of data, got ${body.length}`);
    end = to;
    tensors[name] = {
      shape: entry.shape,
      data: dtypes[entry.dtype].make(new Uint8Array(body.subarray(from, to)).buffer),
    };
  }
  if (end !== body.length) throw damaged(where, `expected ${end} bytes of data, got ${body.length}`);
  return tensors;
}

const begin = (entry: unknown): number =>
  isRecord(entry) && Array.isArray(entry['data_offsets']) ? Number(entry['data_offsets'][0]) : 0;
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const damaged = (where: string, facts: string) =>
  new RunError(`${where}: ${facts}: not a whole safetensors file. Take another checkpoint.`, { file: where });

function decodeHeader(bytes: Uint8Array, where: string): { header: Record<string, unknown>; body: Uint8Array } {
  if (bytes.length < 8) throw damaged(where, `expected at least 8 bytes, got ${bytes.length}`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  if (8 + length > bytes.length)
    throw damaged(where, `expected a header of ${length} bytes, got ${bytes.length - 8} bytes`);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + length)));
  } catch (cause) {
    throw new RunError(`${where}: expected a JSON header. Take another checkpoint.`, { file: where }, { cause });
  }
  if (!isRecord(header)) throw damaged(where, 'expected a JSON object as header');
  return { header, body: bytes.subarray(8 + length) };
}

const size = z.int().nonnegative();
const Entry = z.object({
  dtype: z.enum(['F32', 'I32', 'U8'], {
    error: ({ input }) => `expected a dtype of F32, I32, U8, got ${String(input)}`,
  }),
  shape: z.array(size),
  data_offsets: z.tuple([size, size]),
});

function readEntry(name: string, value: unknown, where: string): z.output<typeof Entry> {
  const { data: entry, error } = Entry.safeParse(value);
  if (!entry) throw damaged(where, `\`${name}\`: ${error.issues.map((issue) => issue.message).join('; ')}`);
  const [from, to] = entry.data_offsets;
  const expected = count(entry.shape) * dtypes[entry.dtype].bytes;
  if (to - from !== expected)
    throw damaged(
      where,
      `\`${name}\`: expected ${expected} bytes for ${entry.dtype} [${entry.shape.join(', ')}], got ${to - from}`,
    );
  return entry;
}
