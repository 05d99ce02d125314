import type { ByteSource } from '../byte-source.ts';
import type { Format } from './format.ts';
import { readRange, shardError } from './shard-access.ts';

const PIXELS = 32 * 32;
const NAME = /(^|\/)(data_batch(_\d+)?|test_batch|train|test)\.bin$/;

/**
 * CIFAR's binary format: a row is one label byte (CIFAR-100: the coarse one, then the fine one), then 1024 red, 1024
 * green and 1024 blue bytes of a 32 × 32 image. There is no header: files are known by name, their kind by size. Channels come last
 * here.
 */
export const cifar: Format = {
  name: 'cifar',
  detect: ({ name }) => NAME.test(name), // of another size it is damaged, and refused by its name
  async open({ sources }) {
    const files = sources.map((source) => ({ source, labels: expectLabels(source) }));
    const fine = files[0]!.labels === 2;
    const odd = files.find(({ labels }) => (labels === 2) !== fine);
    if (odd) throw shardError(odd.source.name, 0, `${files[0]!.labels} label bytes a row`, `${odd.labels}`);
    return {
      format: 'cifar',
      schema: {
        x: { type: 'uint8', shape: [32, 32, 3] },
        y: { type: 'int32', shape: [] },
        ...(fine && { coarse: { type: 'int32', shape: [] } }),
      },
      classes: fine ? { y: 100, coarse: 20 } : { y: 10 },
      shards: files.map(({ source, labels }) => ({
        name: source.name,
        bytes: source.bytes,
        samples: source.bytes / (labels + 3 * PIXELS),
        read: (first, count, signal) => readBlock(source, labels, [first, count], signal),
      })),
    };
  },
};

/** CIFAR-10 has one label byte a row, CIFAR-100 two; a size that fits both is taken for CIFAR-10. */
const labelBytes = (bytes: number): number | undefined => [1, 2].find((labels) => bytes % (labels + 3 * PIXELS) === 0);

function expectLabels({ name, bytes }: ByteSource): number {
  const labels = labelBytes(bytes);
  if (labels !== undefined && bytes > 0) return labels;
  throw shardError(name, bytes, `a multiple of ${1 + 3 * PIXELS} or ${2 + 3 * PIXELS} bytes`, `${bytes}`);
}

async function readBlock(
  source: ByteSource,
  labels: number,
  [first, count]: readonly [number, number],
  signal?: AbortSignal,
) {
  const row = labels + 3 * PIXELS;
  const bytes = await readRange(source, first * row, (first + count) * row, signal);
  return {
    count,
    sample: (i: number) => {
      const at = i * row;
      return {
        id: `${source.name}:${first + i}`,
        x: channelsLast(bytes, at + labels),
        y: bytes[at + labels - 1]!,
        ...(labels === 2 && { coarse: bytes[at]! }),
      };
    },
  };
}

/** [C, H, W] -> [H, W, C] */
function channelsLast(bytes: Buffer, start: number): Uint8Array {
  const pixels = new Uint8Array(3 * PIXELS);
  for (let channel = 0; channel < 3; channel++)
    for (let i = 0; i < PIXELS; i++) pixels[3 * i + channel] = bytes[start + channel * PIXELS + i]!;
  return pixels;
}
