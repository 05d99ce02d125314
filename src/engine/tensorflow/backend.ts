import * as tf from '@tensorflow/tfjs';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js';
import { EngineError } from '../../errors.ts';
import type { Binding } from './binding/binding.ts';
import { nameOfType, tfjsType, type DataType } from './binding/data-types.ts';
import type { TensorMetadata } from './binding/ops.ts';
import type { HostValues } from './binding/tensors.ts';

/** What the backend knows of one piece of data; several tensors may share it. */
export interface TensorEntry {
  readonly shape: number[];
  readonly dtype: DataType;
  /** The binding's number, or -1 while the values are on the host only. */
  id: number;
  /** Values that no operation has asked for yet. */
  values: HostValues | null;
  refCount: number;
}

/** The backend's parts that tfjs-node keeps to itself. */
interface Hidden {
  readonly tensorMap: {
    get: (dataId: object) => TensorEntry;
    set: (dataId: object, entry: TensorEntry) => void;
    has: (dataId: object) => boolean;
    delete: (dataId: object) => boolean;
  };
}

/** tfjs-node's backend on our binding. */
export interface TensorflowBackend extends NodeJSKernelBackend {
  readonly engineBinding: Binding;
  entryOf: (dataId: object) => TensorEntry | undefined;
  /** Makes sure that TensorFlow holds the tensor, and returns the binding's number. */
  idOf: (tensor: tf.TensorInfo) => number;
  /** Wraps an output of the binding as a tensor, owned by the caller (or the running `tf.tidy`). */
  tensorOf: (metadata: TensorMetadata) => tf.Tensor;
  /** Called for each piece of data that the host writes, while set. */
  onWrite: ((dataId: object) => void) | undefined;
}

/** Derives the backend from tfjs-node's class, which has to be imported late: it reads `util.isNullOrUndefined`. */
export function createBackend(Base: typeof NodeJSKernelBackend, binding: Binding): TensorflowBackend {
  const finalizer = new FinalizationRegistry<TensorEntry>((entry) => {
    if (entry.id > 0) binding.release(entry.id);
  });

  class Backend extends Base implements TensorflowBackend {
    readonly engineBinding = binding;
    onWrite: ((dataId: object) => void) | undefined;

    get #map() {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- private in tfjs-node's types, and used here as it uses it
      return (this as unknown as Hidden).tensorMap;
    }

    entryOf(dataId: object): TensorEntry | undefined {
      return this.#map.has(dataId) ? this.#map.get(dataId) : undefined;
    }

    idOf(tensor: tf.TensorInfo): number {
      const entry = this.#map.get(tensor.dataId);
      if (entry.values !== null) {
        entry.id = binding.createTensor(entry.shape, entry.dtype, entry.values);
        entry.values = null;
      }
      return entry.id;
    }

    tensorOf({ id, shape, dtype }: TensorMetadata): tf.Tensor {
      const type = tfjsType(dtype);
      if (type === undefined) {
        binding.release(id);
        throw new EngineError(`a tensor of ${nameOfType(dtype)} cannot be shown to TensorFlow.js: cast it to float32.`);
      }
      const dataId = {};
      const entry: TensorEntry = { shape, dtype, id, values: null, refCount: 1 };
      this.#map.set(dataId, entry);
      finalizer.register(dataId, entry);
      return tf.engine().makeTensorFromTensorInfo({ dataId, shape, dtype: type }, this);
    }

    override move(
      dataId: object,
      values: tf.backend_util.BackendValues,
      shape: number[],
      dtype: tf.DataType,
      refCount: number,
    ): void {
      super.move(dataId, values, shape, dtype, refCount);
      finalizer.register(dataId, this.#map.get(dataId));
      this.onWrite?.(dataId);
    }

    override memory(): { unreliable: boolean } {
      return { unreliable: false };
    }
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it has what tfjs_binding.d.ts asks for, typed closer
  const backend = new Backend(binding as never, '@tensorflow/tfjs-node-gpu');
  // Private in tfjs-node's types. Its own version prints a warning for every int64.
  return Object.assign(backend, { createOutputTensor: (metadata: TensorMetadata) => backend.tensorOf(metadata) });
}
