import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import koffi from 'koffi';
import type { Picture } from '../augment/picture.ts';
import { jpegHeader, type JpegHeader } from './jpeg-header.ts';

/*
 * libjpeg-turbo called as it is. libvips decodes by the same library, to the same pixels, but an image of 500 × 375 costs it
 * four times as long: it is made for large images, which it carries through row by row.
 */

/** An address in this process' memory. */
type Pointer = bigint;

/** TurboJPEG's functions (turbojpeg.h, version 3) that are used here. Status 0 is success. */
interface TurboJpeg {
  readonly init: (purpose: number) => Pointer | null;
  readonly destroy: (handle: Pointer) => void;
  readonly set: (handle: Pointer, parameter: number, value: number) => number;
  readonly get: (handle: Pointer, parameter: number) => number;
  readonly readHeader: (handle: Pointer, bytes: Uint8Array, length: number) => number;
  /** In one of libuv's threads. @param pitch numbers from one row to the next; 0 for those of a row */
  readonly decompress: (
    handle: Pointer,
    bytes: Uint8Array,
    length: number,
    pixels: Uint8Array,
    pitch: number,
    format: number,
  ) => Promise<number>;
}

const DECOMPRESS = 1; // TJINIT_DECOMPRESS
const STOP_ON_WARNING = 0; // TJPARAM_…
const WIDTH = 5;
const HEIGHT = 6;
const SCAN_LIMIT = 13;
const RGB = 0; // TJPF_RGB
const GREY = 6; // TJPF_GRAY

/** A JPEG of more scans than this is taken for one made to take long. */
const MOST_SCANS = 500;

let loaded: TurboJpeg | null | undefined;

/** The library, which an optional package brings for Linux; null where it isn't. */
function turboJpeg(): TurboJpeg | null {
  if (loaded === undefined) loaded = load();
  return loaded;
}

function load(): TurboJpeg | null {
  if (process.platform !== 'linux') return null; // elsewhere the package has it inside of its addon
  try {
    const require = createRequire(import.meta.url);
    const folder = join(dirname(require.resolve('@julusian/jpeg-turbo/package.json')), 'prebuilds');
    for (const libc of ['', '-musl']) {
      const library = bind(join(folder, `jpeg-turbo-linux-${process.arch}${libc}`, 'libturbojpeg.so.0'));
      if (library) return library;
    }
  } catch {
    // not installed
  }
  return null;
}

function bind(path: string): TurboJpeg | undefined {
  try {
    const library = koffi.load(path);
    const [handle, bytes, size] = ['void *', 'const uint8_t *', 'size_t'];
    const decompress = library.func('tj3Decompress8', 'int', [handle, bytes, size, 'uint8_t *', 'int', 'int']);
    return {
      init: library.func('tj3Init', handle, ['int']) as TurboJpeg['init'],
      destroy: library.func('tj3Destroy', 'void', [handle]) as TurboJpeg['destroy'],
      set: library.func('tj3Set', 'int', [handle, 'int', 'int']) as TurboJpeg['set'],
      get: library.func('tj3Get', 'int', [handle, 'int']) as TurboJpeg['get'],
      readHeader: library.func('tj3DecompressHeader', 'int', [handle, bytes, size]) as TurboJpeg['readHeader'],
      decompress: promisify(decompress.async) as TurboJpeg['decompress'],
    };
  } catch {
    return undefined; // built for another C library
  }
}

/**
 * Decodes a JPEG in one of libuv's threads, where that is all that is to be done: upright, without a colour profile, with as
 * many channels as asked for, or grey spread to three.
 *
 * @returns [height, width, channels] pixels, those of libvips, owned by the caller; undefined where libvips should decode it,
 * which also knows what is wrong with bytes that this cannot decode
 */
export async function decodeJpeg(bytes: Uint8Array, channels: 1 | 3): Promise<Picture | undefined> {
  const header = jpegHeader(bytes);
  if (!header || !isPlain(header, channels)) return undefined;
  const turbo = turboJpeg();
  const handle = turbo?.init(DECOMPRESS); // 15 µs; kept ones would be lost with each thread of ours that ends
  return turbo && handle ? decodeWith(turbo, handle, bytes, { ...header, channels }) : undefined;
}

async function decodeWith(
  turbo: TurboJpeg,
  handle: Pointer,
  ...[bytes, { width, height, channels }]: readonly [Uint8Array, Omit<Picture, 'data'>]
): Promise<Picture | undefined> {
  try {
    turbo.set(handle, STOP_ON_WARNING, 1);
    turbo.set(handle, SCAN_LIMIT, MOST_SCANS);
    if (turbo.readHeader(handle, bytes, bytes.length) !== 0) return undefined;
    if (turbo.get(handle, WIDTH) !== width || turbo.get(handle, HEIGHT) !== height) return undefined;
    const data = Buffer.allocUnsafeSlow(height * width * channels); // every one of them is written
    const status = await turbo.decompress(handle, bytes, bytes.length, data, 0, channels === 1 ? GREY : RGB);
    return status === 0 ? { data, height, width, channels } : undefined;
  } finally {
    turbo.destroy(handle);
  }
}

const isPlain = ({ components, precision, isHuffman, orientation, hasProfile }: JpegHeader, channels: 1 | 3): boolean =>
  (components === 1 || (components === 3 && channels === 3)) &&
  precision === 8 &&
  isHuffman &&
  orientation === 1 &&
  !hasProfile;
