import { messageOf } from '../../errors.ts';
import type { ByteSource, OpenBytes } from '../byte-source.ts';
import { maskedCrc32c } from './crc32c.ts';
import type { Format } from './format.ts';
import { openTable } from './row-shards.ts';
import { readRange, shardError } from './shard-access.ts';
import type { Row } from './table.ts';
import { parseExample } from './tf-example.ts';

/** Length (u64) and its CRC before a record, the record's CRC after it. */
const BEFORE = 12;
const AFTER = 4;
const MOST_RECORD_BYTES = 2 ** 30;
const CHUNK_BYTES = 2 ** 20;

/** TFRecord files of `tf.train.Example`; every checksum is checked. */
export const tfRecord: Format = {
  name: 'tfrecord',
  detect: ({ name, head }) =>
    /\.tfrecords?(-\d+-of-\d+)?$/i.test(name) || /-\d{5}-of-\d{5}$/.test(name) || isRecord(head),
  open: (input) =>
    openTable('tfrecord', input, async (source, visit) => {
      const offsets: number[] = [];
      for await (const { offset, bytes } of recordsOf(source, input.signal)) {
        if (offsets.length % 256 === 0) input.signal?.throwIfAborted();
        offsets.push(offset);
        visit(() => rowOf(source.name, offset, bytes));
      }
      offsets.push(source.bytes);
      return {
        rows: offsets.length - 1,
        async read(first, count, signal) {
          const [from, to] = [offsets[first]!, offsets[first + count]!];
          const bytes = await readRange(source, from, to, signal);
          return Array.from({ length: count }, (_, i) => {
            const offset = offsets[first + i]!;
            return {
              offset,
              row: () => rowOf(source.name, offset, bytes.subarray(offset - from, offsets[first + i + 1]! - from)),
            };
          });
        },
      };
    }),
};

const isRecord = (head: Buffer): boolean =>
  head.length >= BEFORE &&
  head.readUInt32LE(4) === 0 &&
  head.readUInt32LE(0) < MOST_RECORD_BYTES &&
  maskedCrc32c(head.subarray(0, 8)) === head.readUInt32LE(8);

/** @param frame the whole record, with what stands before and after it */
function rowOf(shard: string, offset: number, frame: Buffer): Row {
  const data = frame.subarray(BEFORE, frame.length - AFTER);
  const [expected, got] = [frame.readUInt32LE(frame.length - AFTER), maskedCrc32c(data)];
  if (expected !== got) throw shardError(shard, offset + BEFORE, `a record of CRC32C ${hex(expected)}`, hex(got));
  try {
    return parseExample(data);
  } catch (cause) {
    throw shardError(shard, offset + BEFORE, 'a tf.train.Example', messageOf(cause), {}, cause);
  }
}

const hex = (value: number) => value.toString(16).padStart(8, '0');

/** Goes through the records of a file: large reads, and one buffer at a time. */
async function* recordsOf(source: ByteSource, signal?: AbortSignal): AsyncGenerator<{ offset: number; bytes: Buffer }> {
  const reader = await source.open(signal);
  try {
    let held: Buffer = Buffer.alloc(0);
    let start = 0;
    for (let offset = 0; offset < source.bytes;) {
      if (offset - start + BEFORE > held.length) ({ held, start } = await refill(source, reader, offset, BEFORE));
      const length = lengthAt(source, held.subarray(offset - start, offset - start + BEFORE), offset);
      const whole = BEFORE + length + AFTER;
      if (offset - start + whole > held.length) ({ held, start } = await refill(source, reader, offset, whole));
      yield { offset, bytes: held.subarray(offset - start, offset - start + whole) };
      offset += whole;
    }
  } finally {
    await reader.close();
  }
}

async function refill(source: ByteSource, reader: OpenBytes, from: number, needed: number) {
  if (from + needed > source.bytes)
    throw shardError(source.name, from, `a record of ${needed} bytes`, `${source.bytes - from} bytes`);
  const bytes = await reader.read(from, Math.min(source.bytes, from + Math.max(needed, CHUNK_BYTES)));
  return { held: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), start: from };
}

function lengthAt(source: ByteSource, header: Buffer, offset: number): number {
  const [expected, got] = [header.readUInt32LE(8), maskedCrc32c(header.subarray(0, 8))];
  if (expected !== got) throw shardError(source.name, offset, `a length of CRC32C ${hex(expected)}`, hex(got));
  const length = Number(header.readBigUInt64LE(0));
  if (length > MOST_RECORD_BYTES)
    throw shardError(source.name, offset, `a record of at most ${MOST_RECORD_BYTES} bytes`, `${length}`);
  return length;
}
