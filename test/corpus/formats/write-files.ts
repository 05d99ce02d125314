import { crc32, deflateRawSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { parquetWriteBuffer } from 'hyparquet-writer';
import sharp from 'sharp';
import { storedZip } from '../../../src/corpus/stored-zip.ts';

/** An IDX file of bytes. */
export function idxBytes(shape: readonly number[], data: Uint8Array): Buffer {
  const head = Buffer.alloc(4 + 4 * shape.length);
  head.set([0, 0, 8, shape.length]);
  shape.forEach((axis, i) => head.writeUInt32BE(axis, 4 + 4 * i));
  return Buffer.concat([head, data]);
}

/** Bit by bit, from the definition: the oracle of the table-driven one. */
export function slowCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

const masked = (bytes: Uint8Array) => {
  const crc = slowCrc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
};

/** A TFRecord file of these records. */
export function tfRecordBytes(records: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    records.map((data) => {
      const frame = Buffer.alloc(12 + data.length + 4);
      frame.writeBigUInt64LE(BigInt(data.length));
      frame.writeUInt32LE(masked(frame.subarray(0, 8)), 8);
      frame.set(data, 12);
      frame.writeUInt32LE(masked(data), 12 + data.length);
      return frame;
    }),
  );
}

const varint = (value: number | bigint): number[] => {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    bytes.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return bytes;
};
const field = (number: number, bytes: Uint8Array | number[]) =>
  Buffer.from([(number << 3) | 2, ...varint(bytes.length), ...bytes]);

export type Feature =
  { bytes: readonly Uint8Array[] } | { floats: readonly number[]; packed?: boolean } | { ints: readonly number[] };

/** A serialised tf.train.Example. */
export function exampleBytes(features: Readonly<Record<string, Feature>>): Buffer {
  const entries = Object.entries(features).map(([name, feature]) =>
    field(1, Buffer.concat([field(1, Buffer.from(name)), field(2, featureBytes(feature))])),
  );
  return field(1, Buffer.concat(entries));
}

function featureBytes(feature: Feature): Buffer {
  if ('bytes' in feature) return field(1, Buffer.concat(feature.bytes.map((item) => field(1, item))));
  if ('ints' in feature)
    return field(
      3,
      field(
        1,
        feature.ints.flatMap((value) => varint(value)),
      ),
    );
  const floats = feature.floats.map((value) => {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value);
    return bytes;
  });
  if (feature.packed === false)
    return field(2, Buffer.concat(floats.map((bytes) => Buffer.concat([Buffer.from([(1 << 3) | 5]), bytes]))));
  return field(2, field(1, Buffer.concat(floats)));
}

/** A tar archive. */
export async function tarBytes(files: Readonly<Record<string, string | Uint8Array>>): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of Object.entries(files)) archive.entry({ name }, Buffer.from(content));
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export const zipBytes = (files: Readonly<Record<string, Uint8Array>>): Buffer =>
  storedZip(Object.entries(files).map(([path, bytes]) => ({ path, bytes })));

/** A file of a zip archive, and what its headers say of it instead of the truth. */
export interface ZipFile {
  readonly name: string;
  readonly data: Uint8Array;
  readonly method?: number;
  readonly flags?: number;
  readonly crc?: number;
  readonly size?: number;
  readonly packedSize?: number;
  readonly extra?: number;
}

/** A zip archive whose files are deflated, and whose headers say what they are told to. */
export function liarZip(files: readonly ZipFile[]): Buffer {
  const [parts, directory]: [Buffer[], Buffer[]] = [[], []];
  let offset = 0;
  for (const { name, data, method = 8, flags = 0, extra = 0, ...said } of files) {
    const packed = method === 8 ? deflateRawSync(data, { level: 9 }) : Buffer.from(data);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(flags, 2);
    fields.writeUInt16LE(method, 4);
    fields.writeUInt32LE(said.crc ?? crc32(data), 10);
    fields.writeUInt32LE(said.packedSize ?? packed.length, 14);
    fields.writeUInt32LE(said.size ?? data.length, 18);
    fields.writeUInt16LE(Buffer.byteLength(name), 22);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), fields, place, Buffer.from(name)]));
    const local = Buffer.from(fields);
    local.writeUInt16LE(extra, 24); // of the local header alone, as some archivers write it
    parts.push(Buffer.concat([Buffer.from('PK\x03\x04'), local, Buffer.from(name), Buffer.alloc(extra), packed]));
    offset += parts.at(-1)!.length;
  }
  const index = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(index.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, index, end]);
}

/** A PNG of one colour. */
export const png = (
  colour: { r: number; g: number; b: number; alpha?: number },
  width = 8,
  height = 8,
): Promise<Buffer> =>
  sharp({ create: { width, height, channels: colour.alpha === undefined ? 3 : 4, background: colour } })
    .png()
    .toBuffer();

/** A Parquet file with columns `x0`, `x1`, `label`. */
export function parquetBytes(rows: number, rowGroupSize: number): Buffer {
  const numbers = Array.from({ length: rows }, (_, i) => i);
  return Buffer.from(
    parquetWriteBuffer({
      columnData: [
        { name: 'x0', data: numbers.map((i) => i / 2), type: 'DOUBLE' },
        { name: 'x1', data: numbers, type: 'INT32' },
        { name: 'label', data: numbers.map((i) => ['cat', 'dog', 'owl'][i % 3]!), type: 'STRING' },
      ],
      rowGroupSize,
    }),
  );
}
