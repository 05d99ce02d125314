import * as tf from '@tensorflow/tfjs';
import { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { EngineError } from '../../errors.ts';
import { relaxedSimd, simd } from './kernels-binary.ts';

/** The part of the WebAssembly API used here, which neither Node's types nor this project's `lib` declare. */
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
};

/** Emscripten's module object, of which the backend's published type shows too little. */
interface EmscriptenModule extends Allocator {
  readonly asm: { readonly memory: object };
}

interface Allocator {
  /** Views of the memory as it is now: growing replaces them. */
  readonly HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  _free(at: number): void;
}

/**
 * The functions of assembly/, which say what each argument is: pointers are byte offsets, strides count elements, flags
 * are 0 or 1.
 */
export type KernelName =
  | 'gemm'
  | 'gemmScratchBytes'
  | 'packedRightBytes'
  | 'lstmForward'
  | 'lstmBackward'
  | 'gruForward'
  | 'gruBackward'
  | 'columnSums'
  | 'fillRows'
  | 'previousStates'
  | 'scaleRows'
  | 'segmentSum'
  | 'maxPoolBackward'
  | 'movePatches'
  | 'depthwiseBackward';
export type Kernels = Readonly<Record<KernelName, (...args: readonly number[]) => number>>;

/** Chooses the build of our kernels that this machine runs: with fused multiply-add, without, or none (no SIMD). */
export function kernelBuild(): { readonly name: 'relaxed SIMD' | 'SIMD'; readonly bytes: Uint8Array } | undefined {
  for (const [name, base64] of [
    ['relaxed SIMD', relaxedSimd],
    ['SIMD', simd],
  ] as const) {
    // A copy: Buffer.from may hand out a slice of a pool, which the type of `validate` does not take.
    const bytes = Uint8Array.from(Buffer.from(base64, 'base64'));
    if (WebAssembly.validate(bytes)) return { name, bytes };
  }
  return undefined;
}

/** The memory of the TensorFlow.js WASM backend, with our kernels linked to it. */
export class WasmHeap {
  readonly backend: BackendWasm;
  readonly kernels: Kernels;
  readonly #module: EmscriptenModule;

  constructor(backend: BackendWasm) {
    const build = kernelBuild();
    if (!build) throw new EngineError('wasm: this machine has no WebAssembly SIMD. Use the engine `cpu`.');
    this.backend = backend;
    // the published type shows too little
    this.#module = backend.wasm as unknown as EmscriptenModule;
    guardAllocation(this.#module);
    const imports = { env: { memory: this.#module.asm.memory } };
    const instance = new WebAssembly.Instance(new WebAssembly.Module(build.bytes), imports);
    // a test compares the exports with KernelName
    this.kernels = instance.exports as unknown as Kernels;
  }

  /** Byte offset of a tensor's numbers. */
  at(tensor: tf.TensorInfo): number {
    return this.backend.getMemoryOffset(tensor.dataId) >>> 0;
  }

  /** Allocates an output, not filled. */
  output(shape: readonly number[], dtype: tf.DataType = 'float32'): tf.TensorInfo {
    return this.backend.makeOutput([...shape], dtype);
  }

  /** Size of the heap as it is now; it grows and never shrinks. */
  get bytes(): number {
    return this.#module.HEAPU8.length;
  }

  /** A view of numbers in the heap, good until something is allocated. */
  floats(at: number, count: number): Float32Array {
    return new Float32Array(this.#module.HEAPU8.buffer, at, count);
  }

  /** Sets an output to zeros. */
  clear(output: tf.TensorInfo): void {
    const from = this.at(output);
    this.#module.HEAPU8.fill(0, from, from + 4 * tf.util.sizeFromShape(output.shape));
  }

  /** Lends consecutive pieces of scratch memory, of the sizes given in bytes, while `use` runs. */
  withScratch<Result>(sizes: readonly number[], use: (...pieces: number[]) => Result): Result {
    const rounded = sizes.map(aligned);
    const total = rounded.reduce((sum, size) => sum + size, 16);
    const start = this.#module._malloc(total) >>> 0;
    try {
      let next = aligned(start);
      return use(...rounded.map((size) => (next += size) - size));
    } finally {
      this.#module._free(start);
    }
  }
}

/** The next multiple of 16 bytes. Not by `& ~15`, which is negative from 2 GiB on. */
const aligned = (bytes: number): number => 16 * Math.ceil(bytes / 16);

/** From 2 GiB on, the backend's allocator takes a size for a negative one and shrinks the heap. */
const tensorLimit = 2 ** 31 - 2 ** 16;

/**
 * Makes a full heap an error. The backend does not look whether it got memory: it would write a tensor that does not fit
 * to address 0, over its own data.
 */
export function guardAllocation(module: Allocator): void {
  // Emscripten's first call puts another function in its own place, and would put it in ours.
  module._free(module._malloc(1));
  const allocate = module._malloc.bind(module);
  module._malloc = (bytes) => {
    const at = bytes < tensorLimit ? allocate(bytes) >>> 0 : 0;
    if (at !== 0) return at;
    throw new EngineError(
      `wasm: expected ${(bytes / 2 ** 20).toFixed(1)} MiB for a tensor, but the heap has no such room (${(module.HEAPU8.length / 2 ** 20).toFixed(0)} MiB now, 4 GiB at most, 2 GiB a tensor). Use smaller batches, or the engine \`tensorflow\`.`,
      { bytes, heapBytes: module.HEAPU8.length },
    );
  };
}

const heaps = new WeakMap<object, WasmHeap>();

/** The heap behind a backend object as kernels get it. */
export function heapOf(backend: object): WasmHeap {
  const known = heaps.get(backend);
  if (known) return known;
  if (!(backend instanceof BackendWasm)) throw new TypeError('heapOf: expected the WASM backend');
  const heap = new WasmHeap(backend);
  heaps.set(backend, heap);
  return heap;
}
