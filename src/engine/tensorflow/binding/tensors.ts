import { EngineError } from '../../../errors.ts';
import type { Context } from './context.ts';
import { bytesOfType, dataTypes, nameOfType, type DataType } from './data-types.ts';
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from '../../half.ts';
import { bytesAt, type Library } from './library.ts';
import type { Pointer } from './signatures.ts';
import type { Status } from './status.ts';

/** Numbers as TensorFlow.js keeps them on the host. Strings are arrays of their UTF-8 bytes. */
export type HostValues = NodeJS.TypedArray | readonly number[] | readonly Uint8Array[] | readonly string[];
/** What a tensor reads back as. */
export type ReadValues = Float32Array | Float64Array | Int32Array | Uint8Array | Uint8Array[];

const STRING_BYTES = 24; // sizeof(TF_TString)
const dims = new BigInt64Array(32);

/** Moves tensors between JavaScript and TensorFlow: one copy each way, no buffer between. */
export class Tensors {
  readonly #library: Library;
  readonly #status: Status;
  readonly #context: Context;

  constructor(library: Library, status: Status, context: Context) {
    this.#library = library;
    this.#status = status;
    this.#context = context;
  }

  /** Makes a `TF_Tensor`, to be deleted by the caller. */
  allocate(shape: readonly number[], type: DataType, values: HostValues): Pointer {
    const { c } = this.#library;
    const count = shape.reduce((product, dim) => product * dim, 1);
    for (const [axis, dim] of shape.entries()) dims[axis] = BigInt(dim);
    if (type === dataTypes.string) return this.#allocateStrings(shape.length, count, values);
    const bytes = packed(values, type, count);
    const tensor = c.TF_AllocateTensor(type, dims, shape.length, bytes.byteLength);
    if (tensor === null) throw outOfMemory(shape, type, bytes.byteLength);
    if (bytes.byteLength > 0) this.#library.copy(c.TF_TensorData(tensor), bytes, bytes.byteLength);
    return tensor;
  }

  /** Makes a handle for the engine's device, to be deleted by the caller. */
  upload(shape: readonly number[], type: DataType, values: HostValues): Pointer {
    const { c } = this.#library;
    const tensor = this.allocate(shape, type, values);
    const handle = c.TFE_NewTensorHandle(tensor, this.#status.pointer);
    if (type === dataTypes.string) return this.#ownStrings(tensor, handle);
    c.TF_DeleteTensor(tensor);
    this.#status.check('upload()');
    const staysOnHost = !this.#context.isGpu || type === dataTypes.int32;
    return staysOnHost ? handle : this.#moveToDevice(handle);
  }

  /**
   * Makes strings TensorFlow's own: of those in a tensor that it was given it frees the tensor alone, and nobody else can
   * tell when to free the strings, for operations like Reshape share them.
   */
  #ownStrings(tensor: Pointer, given: Pointer): Pointer {
    const { c } = this.#library;
    const { pointer: status } = this.#status;
    let op: Pointer | undefined;
    try {
      this.#status.check('upload()');
      op = c.TFE_NewOp(this.#context.pointer, 'DeepCopy', status); // on no named device: there are strings on the host alone
      this.#status.check('upload()');
      c.TFE_OpAddInput(op, given, status);
      const copy = new BigUint64Array(1);
      c.TFE_Execute(op, copy, Int32Array.of(1), status);
      this.#status.check('upload()');
      return copy[0]!;
    } finally {
      if (op !== undefined) c.TFE_DeleteOp(op);
      this.#freeStrings(tensor);
      c.TFE_DeleteTensorHandle(given);
      c.TF_DeleteTensor(tensor);
    }
  }

  #moveToDevice(handle: Pointer): Pointer {
    const { c } = this.#library;
    const { pointer, device } = this.#context;
    const moved = c.TFE_TensorHandleCopyToDevice(handle, pointer, device.name, this.#status.pointer);
    c.TFE_DeleteTensorHandle(handle);
    this.#status.check(`upload() to ${device.name}`);
    return moved;
  }

  /** Reads a tensor's values into memory of ours. 64-bit integers come as int32, 16-bit floats as float32. */
  download(handle: Pointer): ReadValues {
    const { c } = this.#library;
    const tensor = this.#resolve(handle, 'download()');
    try {
      return this.read(tensor);
    } finally {
      c.TF_DeleteTensor(tensor);
    }
  }

  /** Copies a float32 tensor's values into memory of the caller's, as long as they are. */
  downloadInto(handle: Pointer, target: Float32Array): void {
    const { c } = this.#library;
    const tensor = this.#resolve(handle, 'downloadInto()');
    try {
      const fits = c.TF_TensorType(tensor) === dataTypes.float32;
      const bytes = Number(c.TF_TensorByteSize(tensor));
      if (!fits || bytes !== target.byteLength)
        throw new EngineError(
          `readInto(): expected float32 of ${target.length} numbers, got ${this.describe(handle)}. Give memory of the tensor's size.`,
        );
      if (bytes > 0) this.#library.copy(target, c.TF_TensorData(tensor), bytes);
    } finally {
      c.TF_DeleteTensor(tensor);
    }
  }

  /** Waits for a handle's tensor, to be deleted by the caller. What the queue was doing for it is undone if it failed. */
  #resolve(handle: Pointer, where: string): Pointer {
    const tensor = this.#library.c.TFE_TensorHandleResolve(handle, this.#status.pointer);
    if (this.#status.ok) return tensor;
    const error = this.#status.error(where);
    this.#context.queue.failed();
    throw error;
  }

  /** Reads a `TF_Tensor`. */
  read(tensor: Pointer): ReadValues {
    const { c } = this.#library;
    const type = c.TF_TensorType(tensor);
    const length = Number(c.TF_TensorByteSize(tensor));
    if (type === dataTypes.string) return this.#readStrings(tensor);
    const target = hostArray(type, length);
    if (length > 0) this.#library.copy(target, c.TF_TensorData(tensor), length);
    return unpacked(target, type);
  }

  /** The shape of a handle's tensor. */
  shapeOf(handle: Pointer): number[] {
    const { c } = this.#library;
    const rank = c.TFE_TensorHandleNumDims(handle, this.#status.pointer);
    const shape: number[] = [];
    for (let axis = 0; axis < rank; axis++)
      shape.push(Number(c.TFE_TensorHandleDim(handle, axis, this.#status.pointer)));
    return shape;
  }

  typeOf(handle: Pointer): DataType {
    return this.#library.c.TFE_TensorHandleDataType(handle);
  }

  /** `[2,3] float32`, for messages. */
  describe(handle: Pointer): string {
    return `[${this.shapeOf(handle).join(',')}] ${nameOfType(this.typeOf(handle))}`;
  }

  #allocateStrings(rank: number, count: number, values: HostValues): Pointer {
    const { c } = this.#library;
    if (values.length !== count) throw wrongLength(values.length, count, dataTypes.string);
    const tensor = c.TF_AllocateTensor(dataTypes.string, dims, rank, count * STRING_BYTES);
    let at = c.TF_TensorData(tensor);
    for (const value of values) {
      const bytes = Buffer.from(typeof value === 'string' || value instanceof Uint8Array ? value : String(value));
      c.TF_StringInit(at);
      c.TF_StringCopy(at, bytes, bytes.length);
      at += BigInt(STRING_BYTES);
    }
    return tensor;
  }

  /** Frees what the strings of a `TF_Tensor` of ours hold outside of it. */
  #freeStrings(tensor: Pointer): void {
    const { c } = this.#library;
    const start = c.TF_TensorData(tensor);
    const count = Number(c.TF_TensorElementCount(tensor));
    for (let i = 0; i < count; i++) c.TF_StringDealloc(start + BigInt(i * STRING_BYTES));
  }

  #readStrings(tensor: Pointer): Uint8Array[] {
    const { c } = this.#library;
    let at = c.TF_TensorData(tensor);
    return Array.from({ length: Number(c.TF_TensorElementCount(tensor)) }, () => {
      const bytes = bytesAt(this.#library, c.TF_StringGetDataPointer(at), Number(c.TF_StringGetSize(at)));
      at += BigInt(STRING_BYTES);
      return bytes;
    });
  }
}

/** The values as the bytes that TensorFlow keeps for `type`, converted only where they are not so already. */
function packed(values: HostValues, type: DataType, count: number): NodeJS.TypedArray {
  const size = bytesOfType(type);
  if (size === undefined)
    throw new EngineError(`upload(): a tensor of ${nameOfType(type)} cannot be made from values.`);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- strings were dealt with before
  const numbers = values as NodeJS.TypedArray | readonly number[];
  if (type === dataTypes.int64 && numbers instanceof Int32Array && numbers.length === 2 * count && count > 0) {
    return numbers; // pairs of words, which TensorFlow.js uses for int64
  }
  const perElement = type === dataTypes.complex64 ? 2 : 1;
  if (numbers.length !== count * perElement) throw wrongLength(numbers.length, count * perElement, type);
  if (numbers instanceof arrayTypes(type)) return numbers;
  return converted(numbers, type);
}

function converted(values: NodeJS.TypedArray | readonly number[], type: DataType): NodeJS.TypedArray {
  const numbers = Array.from<number | bigint>(values);
  switch (type) {
    case dataTypes.int64:
      return BigInt64Array.from(numbers, BigInt);
    case dataTypes.bfloat16:
      return Uint16Array.from(numbers, (value) => toBfloat16(Number(value)));
    case dataTypes.float16:
      return Uint16Array.from(numbers, (value) => toFloat16(Number(value)));
    case dataTypes.bool:
      return Uint8Array.from(numbers, (value) => (value ? 1 : 0));
    case dataTypes.float64:
      return Float64Array.from(numbers, Number);
    case dataTypes.int32:
      return Int32Array.from(numbers, Number);
    case dataTypes.uint8:
      return Uint8Array.from(numbers, Number);
    case dataTypes.int8:
      return Int8Array.from(numbers, Number);
    default:
      return Float32Array.from(numbers, Number);
  }
}

/** The typed array whose bytes are TensorFlow's; never true for 16-bit floats, which are always converted. */
function arrayTypes(type: DataType) {
  switch (type) {
    case dataTypes.float32:
    case dataTypes.complex64:
      return Float32Array;
    case dataTypes.float64:
      return Float64Array;
    case dataTypes.int32:
      return Int32Array;
    case dataTypes.int64:
      return BigInt64Array;
    case dataTypes.int8:
      return Int8Array;
    case dataTypes.uint8:
    case dataTypes.bool:
      return Uint8Array;
    default:
      return DataView;
  }
}

function hostArray(type: DataType, bytes: number): NodeJS.TypedArray {
  switch (type) {
    case dataTypes.float32:
    case dataTypes.complex64:
      return new Float32Array(bytes / 4);
    case dataTypes.float64:
      return new Float64Array(bytes / 8);
    case dataTypes.int32:
      return new Int32Array(bytes / 4);
    case dataTypes.int64:
      return new BigInt64Array(bytes / 8);
    case dataTypes.bfloat16:
    case dataTypes.float16:
      return new Uint16Array(bytes / 2);
    case dataTypes.int8:
      return new Int8Array(bytes);
    default:
      return new Uint8Array(bytes);
  }
}

function unpacked(values: NodeJS.TypedArray, type: DataType): Exclude<ReadValues, Uint8Array[]> {
  if (values instanceof BigInt64Array) return Int32Array.from(values, narrowed);
  if (values instanceof Int8Array) return Int32Array.from(values);
  if (type === dataTypes.bfloat16) return Float32Array.from(Array.from(values, Number), fromBfloat16);
  if (type === dataTypes.float16) return Float32Array.from(Array.from(values, Number), fromFloat16);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the types that hostArray() leaves
  return values as Float32Array | Float64Array | Int32Array | Uint8Array;
}

function narrowed(value: bigint): number {
  if (BigInt.asIntN(32, value) !== value) {
    throw new EngineError(
      `download(): expected an int64 within 32 bits, got ${value}. Cast it to float32 on the device before it is read.`,
    );
  }
  return Number(value);
}

const wrongLength = (got: number, expected: number, type: DataType) =>
  new EngineError(`upload(): expected ${expected} values of ${nameOfType(type)}, got ${got}. Check the shape.`);

const outOfMemory = (shape: readonly number[], type: DataType, bytes: number) =>
  new EngineError(
    `upload(): [${shape.join(',')}] ${nameOfType(type)} needs ${bytes} bytes, which cannot be had. Use smaller batches.`,
  );
