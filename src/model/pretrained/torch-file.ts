import { readFile } from 'node:fs/promises';
import { fromBfloat16, fromFloat16 } from '../../engine/half.ts';
import { ModelError } from '../../errors.ts';
import { PickleGlobal, readPickle, type PickleCalls } from './pickle.ts';

/** A tensor on the host: its values row by row, whatever the order was in the file. */
export interface HostTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

const MAGIC = '119547037146038801333356'; // 0x1950a86a20f9469cfc6c
const PROTOCOL = 1001;

/** How floating-point numbers lie in a storage. */
interface Float {
  readonly bytes: number;
  read(this: void, storage: Buffer, at: number): number;
}
const floats: Readonly<Record<string, Float>> = {
  FloatStorage: { bytes: 4, read: (storage, at) => storage.readFloatLE(at) },
  DoubleStorage: { bytes: 8, read: (storage, at) => storage.readDoubleLE(at) },
  HalfStorage: { bytes: 2, read: (storage, at) => fromFloat16(storage.readUInt16LE(at)) },
  BFloat16Storage: { bytes: 2, read: (storage, at) => fromBfloat16(storage.readUInt16LE(at)) },
};
/** Bytes of an element. */
const widths: Readonly<Record<string, number>> = {
  ...Object.fromEntries(Object.entries(floats).map(([kind, { bytes }]) => [kind, bytes])),
  LongStorage: 8,
  IntStorage: 4,
  ShortStorage: 2,
  CharStorage: 1,
  ByteStorage: 1,
  BoolStorage: 1,
};

/** A stretch of memory that tensors look into. */
interface Storage {
  readonly kind: string;
  readonly key: string;
  readonly length: number;
}

/** How a tensor looks into its storage: element (i, j, …) lies at offset + i · strides[0] + j · strides[1] + … */
interface View {
  readonly storage: Storage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/**
 * Reads the floating-point tensors of a PyTorch state dictionary in the format from before version 1.6: five pickles
 * (magic number, protocol, system, dictionary, keys of the storages), then each storage as its length and its bytes.
 * Tensors are views into storages: offset, shape and strides are honoured. float16 and bfloat16 become float32 as they
 * are; float64 is rounded, to infinity where it is too large.
 *
 * @returns by name, in the file's order; integer tensors (counters) are left out
 * @throws {ModelError} when the file is missing, cut short, of another format, or big-endian
 */
export async function readTorchFile(path: string): Promise<Map<string, HostTensor>> {
  return parseTorch(await readFile(path).catch((cause: unknown) => fail(path, 'a file', String(cause), cause)), path);
}

/** The same, of bytes in memory. @param where names them in messages */
export function parseTorch(bytes: Buffer, where: string): Map<string, HostTensor> {
  let at = 0;
  const stored = new Map<string, Storage>();
  const persistent = (id: unknown) => {
    const storage = storageOf(where, id);
    stored.set(storage.key, storage);
    return storage;
  };
  const next = (calls: PickleCalls = {}): unknown => {
    const { value, end } = readPickle(bytes, at, { where, calls, persistent });
    at = end;
    return value;
  };
  if (bytes.subarray(0, 4).toString('latin1') === 'PK\x03\x04')
    fail(
      where,
      "PyTorch's format from before 1.6",
      'a zip: save it with `torch.save(…, _use_new_zipfile_serialization=False)`',
    );
  const magic = next();
  const protocol = next();
  if (String(magic) !== MAGIC || protocol !== PROTOCOL)
    fail(where, `PyTorch's magic number and protocol ${PROTOCOL}`, `${String(magic)} and ${String(protocol)}`);
  const system = next();
  if (system instanceof Map && system.get('little_endian') === false) fail(where, 'little-endian', 'big-endian');
  const dictionary = next({
    'collections.OrderedDict': () => new Map(),
    'torch._utils._rebuild_tensor_v2': (storage, offset, shape, strides) => ({ storage, offset, shape, strides }),
    ...Object.fromEntries(Object.keys(widths).map((kind) => [`torch.${kind}`, () => undefined])),
  });
  const keys = next();
  if (!(dictionary instanceof Map) || !Array.isArray(keys)) return fail(where, 'a state dictionary', 'something else');
  const views = [...dictionary].filter((entry): entry is [string, View] => isView(entry[1]));
  const storages = readStorages(bytes, at, where, keys as string[], stored);
  return new Map(
    views
      .filter(([, { storage }]) => storage.kind in floats)
      .map(([name, view]) => [name, gather(view, storages.get(view.storage.key)!, `${where}: \`${name}\``)]),
  );
}

/** A persistent id: ('storage', its type, key, device, elements, view). */
function storageOf(where: string, id: unknown): Storage {
  const [tag, type, key, , length] = Array.isArray(id) ? (id as unknown[]) : [];
  if (tag !== 'storage' || !(type instanceof PickleGlobal) || typeof key !== 'string' || typeof length !== 'number')
    return fail(where, 'a storage', JSON.stringify(id));
  return { kind: type.name.replace(/^torch\./, ''), key, length };
}

const isView = (value: unknown): value is View => typeof value === 'object' && value !== null && 'strides' in value;

function readStorages(
  bytes: Buffer,
  from: number,
  where: string,
  keys: readonly string[],
  known: ReadonlyMap<string, Storage>,
): Map<string, Buffer> {
  const storages = new Map<string, Buffer>();
  let at = from;
  for (const key of keys) {
    const storage = known.get(key);
    const width = widths[storage?.kind ?? ''];
    if (!storage || width === undefined)
      return fail(where, 'storages of known types', storage?.kind ?? 'an unused one');
    if (at + 8 > bytes.length) return fail(where, `storage ${key}`, `the end at byte ${bytes.length}`);
    const length = Number(bytes.readBigInt64LE(at));
    const end = at + 8 + length * width;
    if (length !== storage.length || end > bytes.length)
      return fail(
        where,
        `${storage.length} elements in storage ${key}`,
        `${length}, and ${bytes.length - at} bytes left`,
      );
    storages.set(key, bytes.subarray(at + 8, end));
    at = end;
  }
  return storages;
}

/** Copies a view's elements row by row. */
function gather({ storage: { kind }, offset, shape, strides }: View, storage: Buffer, where: string): HostTensor {
  const { bytes, read } = floats[kind]!;
  const size = shape.reduce((product, axis) => product * axis, 1);
  const furthest = shape.reduce((sum, axis, i) => sum + (axis - 1) * strides[i]!, offset);
  if (size > 0 && bytes * (furthest + 1) > storage.length)
    fail(where, `element ${furthest} in its storage`, `${storage.length / bytes} elements`);
  const data = new Float32Array(size);
  const index = shape.map(() => 0);
  for (let i = 0, from = offset; i < size; i++) {
    data[i] = read(storage, bytes * from);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]! += 1;
      from += strides[axis]!;
      if (index[axis]! < shape[axis]!) break;
      from -= shape[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
  return { shape, data };
}

function fail(where: string, expected: string, got: string, cause?: unknown): never {
  throw new ModelError(
    `${where}: expected ${expected}, got ${got}. Fetch the file again, or convert it with the library that wrote it.`,
    { file: where, expected, got },
    { cause },
  );
}
