import { randomUUID } from 'node:crypto';
import type * as H5Wasm from 'h5wasm/node';
import { ModelError } from '../../errors.ts';
import type { HostTensor } from './torch-file.ts';

type H5 = typeof H5Wasm;
type H5Group = InstanceType<H5['Group']>;
type H5File = InstanceType<H5['File']>;

/** What an HDF5 file of weights holds. */
export interface Hdf5 {
  /** Its arrays of numbers, by path. */
  readonly tensors: ReadonlyMap<string, HostTensor>;
  /** An attribute of a group; of the file itself by ''. */
  attribute(group: string, name: string): unknown;
}

/**
 * Opens an HDF5 file, such as Keras writes, for as long as `use` takes.
 *
 * @param where names it in messages
 * @throws {ModelError} when it is no HDF5 file
 */
export async function readHdf5<Result>(
  bytes: Uint8Array,
  where: string,
  use: (file: Hdf5) => Promise<Result>,
): Promise<Result> {
  const h5 = await import('h5wasm/node');
  const library = await h5.ready;
  const { FS } = library;
  library.activate_throwing_error_handler(); // else HDF5 prints what went wrong, and goes on
  const name = `${randomUUID()}.h5`;
  FS.writeFile(name, bytes);
  let file: H5File | undefined;
  try {
    file = open(h5, name, where);
    const opened = file;
    const tensors = new Map<string, HostTensor>();
    collect(h5, opened, '', tensors);
    const attribute = (group: string, key: string): unknown => {
      const at = group === '' ? opened : opened.get(group);
      return at instanceof h5.Group ? at.attrs[key]?.value : undefined;
    };
    return await use({ tensors, attribute });
  } finally {
    file?.close();
    FS.unlink(name);
  }
}

function open(h5: H5, name: string, where: string): H5File {
  let reason: unknown;
  try {
    const file = new h5.File(name, 'r');
    if (file.file_id >= 0n) return file;
  } catch (cause) {
    reason = cause;
  }
  throw new ModelError(
    `${where}: expected an HDF5 file, got something else or a part of one. Save the model again, as \`.h5\` or \`.keras\`.`,
    { file: where },
    { cause: reason },
  );
}

function collect(h5: H5, group: H5Group, path: string, into: Map<string, HostTensor>): void {
  for (const key of group.keys()) {
    const at = path === '' ? key : `${path}/${key}`;
    const item = group.get(key);
    if (item instanceof h5.Group) collect(h5, item, at, into);
    else if (item instanceof h5.Dataset) {
      const { value, shape } = item;
      if (isNumbers(value)) into.set(at, { shape: shape ?? [], data: Float32Array.from(value) });
    }
  }
}

/** 64-bit integers are counters, not weights. */
const isNumbers = (value: unknown): value is Float32Array | Int32Array =>
  ArrayBuffer.isView(value) &&
  !(value instanceof DataView || value instanceof BigInt64Array || value instanceof BigUint64Array);
