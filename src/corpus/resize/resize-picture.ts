import type { Picture, Rectangle } from '../augment/picture.ts';
import { axisOf, type Axis, type Span } from './axis.ts';
import type { KernelName } from './kernel-functions.ts';
import { simd } from './kernels-binary.ts';

/** The part of the WebAssembly API used here, which neither Node's types nor this project's `lib` declare. */
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
  readonly Memory: new (pages: { readonly initial: number }) => Memory;
};

interface Memory {
  /** As it is now: growing replaces it. */
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

const PAGE = 2 ** 16;
/** What a read may go beyond the row that it begins in. */
const BEHIND = 64;

const binary = Uint8Array.from(Buffer.from(simd, 'base64'));

/** Whether this machine has WebAssembly SIMD: on any that Node 20 is built for, some very old x64 ones apart. */
export const canResize = WebAssembly.validate(binary);

let loaded: { readonly memory: Memory; readonly resize: (...args: readonly number[]) => void } | undefined;

function load() {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(binary), { env: { memory } });
  return { memory, ...(exports as { resize: (...args: readonly number[]) => void }) }; // what assembly/index.ts exports
}

/** A picture's new form. */
export interface Resizing {
  readonly height: number;
  readonly width: number;
  readonly fit: 'cover' | 'contain' | 'fill';
  readonly kernel: KernelName;
  /** One number a channel, for what `contain` pads. */
  readonly background: readonly number[];
}

/**
 * Resizes a part of a picture, as if there were nothing beside it. Sums are taken in fixed point and rounded after the
 * rows and after the columns: within 1 of exact ones for `linear`, a little more where another kernel's weights are negative.
 *
 * @returns [height, width, channels], owned by the caller
 * @example
 * const grey = { data: new Uint8Array(64), height: 8, width: 8, channels: 1 } as const;
 * const whole = { top: 0, left: 0, height: 8, width: 8 };
 * const half = resizePicture(grey, whole, { height: 4, width: 4, fit: 'fill', kernel: 'linear', background: [0] });
 */
export function resizePicture(picture: Picture, part: Rectangle, resizing: Resizing): Uint8Array {
  const { height, width, fit } = resizing;
  if (fit === 'contain') return padded(picture, part, resizing);
  const scale = Math.min(part.height / height, part.width / width);
  const [rows, columns] =
    fit === 'fill'
      ? [spanOf(part.height, part.height), spanOf(part.width, part.width)]
      : [spanOf(part.height, scale * height), spanOf(part.width, scale * width)];
  return stretch(picture, part, { ...resizing, rows, columns });
}

/** The middle of an axis. */
const spanOf = (pixels: number, length: number): Span => ({ start: (pixels - length) / 2, length });

/** The whole part within the new size, and the background around it. */
function padded(picture: Picture, part: Rectangle, resizing: Resizing): Uint8Array {
  const { height, width, background } = resizing;
  const scale = Math.max(part.height / height, part.width / width);
  const inner = {
    height: Math.max(1, Math.round(part.height / scale)),
    width: Math.max(1, Math.round(part.width / scale)),
  };
  const pixels = resizePicture(picture, part, { ...resizing, ...inner, fit: 'fill' });
  if (inner.height === height && inner.width === width) return pixels;
  const { channels } = picture;
  const result = new Uint8Array(height * width * channels);
  for (let i = 0; i < result.length; i++) result[i] = background[i % channels]!;
  const [top, left] = [(height - inner.height) >> 1, (width - inner.width) >> 1];
  const row = inner.width * channels;
  for (let y = 0; y < inner.height; y++)
    result.set(pixels.subarray(y * row, (y + 1) * row), ((top + y) * width + left) * channels);
  return result;
}

interface Stretch extends Resizing {
  readonly rows: Span;
  readonly columns: Span;
}

function stretch({ data, width: across, channels }: Picture, part: Rectangle, to: Stretch): Uint8Array {
  const { height, width, kernel } = to;
  const rows = axisOf(part.height, to.rows, height, kernel, 2); // the kernel reads so many pixels at a time
  const columns = axisOf(part.width, to.columns, width, kernel, channels === 3 ? 4 : 8);
  const stride = across * channels;
  const bytes = (columns.end - columns.first) * channels;
  const from = (part.top + rows.first) * stride + (part.left + columns.first) * channels;
  const source = data.subarray(from, from + (rows.end - rows.first - 1) * stride + bytes);
  const { memory, resize } = (loaded ??= load());
  const room = new Room();
  const [rowsAt, columnsAt] = [rows, columns].map(({ starts, weights }) => [
    room.take(starts.byteLength),
    room.take(weights.byteLength),
  ]) as [[number, number], [number, number]];
  const strip = room.take(4 * (bytes + 16) + columns.taps * channels);
  const out = room.take(height * width * channels);
  const sourceAt = room.take(source.length + stride * rows.taps);
  room.reserve(memory);
  const heap = new Uint8Array(memory.buffer);
  write(heap, rowsAt, rows);
  write(heap, columnsAt, columns);
  heap.set(source, sourceAt);
  const tables = [...rowsAt, rows.taps, rows.shift, ...columnsAt, columns.taps, columns.shift];
  resize(sourceAt, stride, bytes, channels, ...tables, strip, out, height, width);
  return heap.slice(out, out + height * width * channels);
}

function write(heap: Uint8Array, [startsAt, weightsAt]: readonly [number, number], { starts, weights }: Axis): void {
  heap.set(new Uint8Array(starts.buffer, starts.byteOffset, starts.byteLength), startsAt);
  heap.set(new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength), weightsAt);
}

/** Pieces of the memory, one after another. */
class Room {
  #end = BEHIND; // the AssemblyScript compiler wants address 0 for nothing

  take(bytes: number): number {
    const at = this.#end;
    this.#end += BEHIND * Math.ceil((bytes + BEHIND) / BEHIND);
    return at;
  }

  reserve(memory: Memory): void {
    const missing = this.#end - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
  }
}
