import * as tf from '@tensorflow/tfjs';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js';
import { EngineError } from '../../errors.ts';
import type { Binding, Executor } from './binding/binding.ts';
import { dataTypes, nameOfType, tfjsType, type DataType } from './binding/data-types.ts';
import type { TensorMetadata } from './binding/ops.ts';
import type { HostValues } from './binding/tensors.ts';
import { ForgottenData } from './forgotten-data.ts';

/** What the backend knows of one piece of data; several tensors may share it. */
export interface TensorEntry {
  readonly shape: number[];
  readonly dtype: DataType;
  /** The binding's number, or -1 while the values are on the host only. */
  id: number;
  /** Values that no operation has asked for yet. */
  values: HostValues | null;
  refCount: number;
  /** Whether the host wrote the values; an operation's result otherwise. */
  fromHost?: boolean;
  /** What was being traced when the host wrote the values. */
  writtenBy?: Tracer | undefined;
}

/** What the backend asks of a trace, besides running operations. */
export interface Tracer extends Executor {
  /** The number of a tensor within the trace. */
  idOf: (dataId: object, entry: TensorEntry) => number;
  /** Values read on the host: a trace refuses most reads. */
  read: (entry: TensorEntry) => tf.backend_util.BackendValues;
}

/** tfjs-node's stand-in for a tensor of one int64. */
interface Int64Scalar {
  readonly valueArray: Int32Array;
}

/** Values as TensorFlow.js types them. */
export type BackendValues = tf.backend_util.BackendValues;

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
  readonly tensors: BackendTensors;
  readonly engineBinding: Binding;
}

/** The backend's tensors: which data TensorFlow holds under which number, on the device or in a trace. */
export class BackendTensors {
  /** Takes the calls of the kernels while it is set. */
  tracer: Tracer | undefined;
  /** Replaces what the host writes by a symbolic tensor, where it knows better; set while a step is traced. */
  intercept: ((values: unknown, shape: number[], dtype: tf.DataType) => TensorMetadata | undefined) | undefined;
  readonly #map: Hidden['tensorMap'];
  readonly #binding: Binding;
  readonly #backend: NodeJSKernelBackend;
  readonly #forgotten: ForgottenData;

  constructor(backend: NodeJSKernelBackend, binding: Binding) {
    this.#backend = backend;
    this.#binding = binding;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- private in tfjs-node's types, and used here as it uses it
    this.#map = (backend as unknown as Hidden).tensorMap;
    this.#forgotten = new ForgottenData((entry) => {
      if (entry.id > 0) binding.release(entry.id);
    });
  }

  entryOf(dataId: object): TensorEntry | undefined {
    return this.#map.has(dataId) ? this.#map.get(dataId) : undefined;
  }

  /** As `entryOf`, but data that lies on another backend is brought here, as an operation would bring it. */
  entryHere(dataId: object): TensorEntry | undefined {
    return tf.engine().state.tensorInfo.has(dataId) ? this.#map.get(dataId) : this.entryOf(dataId);
  }

  /** The tensor's number: the binding's, or the trace's while a step is traced. */
  idOf(tensor: tf.TensorInfo): number {
    const entry = this.#map.get(tensor.dataId);
    return this.tracer ? this.tracer.idOf(tensor.dataId, entry) : this.uploadedId(entry);
  }

  /** Makes sure that TensorFlow holds the data, and returns the binding's number. */
  uploadedId(entry: TensorEntry): number {
    if (entry.values !== null) {
      entry.id = this.#binding.upload(entry.shape, entry.dtype, entry.values);
      entry.values = null;
    }
    return entry.id;
  }

  /** Wraps an output of the binding as a tensor, owned by the caller (or the running `tf.tidy`). */
  tensorOf(metadata: TensorMetadata): tf.Tensor {
    const dtype = tfjsType(metadata.dtype);
    if (dtype === undefined) {
      this.#binding.release(metadata.id);
      throw new EngineError(
        `a tensor of ${nameOfType(metadata.dtype)} cannot be shown to TensorFlow.js: cast it to float32.`,
      );
    }
    const dataId = this.dataOf(metadata);
    return tf.engine().makeTensorFromTensorInfo({ dataId, shape: metadata.shape, dtype }, this.#backend);
  }

  /** Makes data of an output of the binding. */
  dataOf({ id, shape, dtype }: TensorMetadata): object {
    const dataId = {};
    const entry: TensorEntry = { shape, dtype, id, values: null, refCount: 1 };
    this.#map.set(dataId, entry);
    this.#forgotten.made(dataId, entry);
    return dataId;
  }

  /**
   * Notes that the host wrote this data.
   *
   * @param writtenBy what was being traced then; nothing for data that only moves here, from another backend
   */
  written(dataId: object, writtenBy: Tracer | undefined): void {
    const entry = this.#map.get(dataId);
    entry.fromHost = true;
    entry.writtenBy = writtenBy;
    this.#forgotten.made(dataId, entry);
  }

  /** Notes that data is gone: a loop that never lets the event loop turn would pile up what waits for a finaliser. */
  disposed(dataId: object, dispose: () => boolean): boolean {
    const entry = this.entryOf(dataId);
    const gone = dispose();
    if (gone && entry) this.#forgotten.disposed(entry);
    return gone;
  }

  /** Reads data, if a trace does not forbid it. */
  read(dataId: object, eagerly: () => BackendValues): BackendValues {
    return this.tracer ? this.tracer.read(this.#map.get(dataId)) : eagerly();
  }
}

/** Derives the backend from tfjs-node's class, which has to be imported late: it reads `util.isNullOrUndefined`. */
export function createBackend(Base: typeof NodeJSKernelBackend, binding: Binding): TensorflowBackend {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it has what tfjs_binding.d.ts asks for, typed closer
  const backend = new Base(binding as never, '@tensorflow/tfjs-node-gpu');
  const tensors = new BackendTensors(backend, binding);
  binding.currentTracer = () => tensors.tracer;
  const move = backend.move.bind(backend);
  const readSync = backend.readSync.bind(backend);
  const disposeData = backend.disposeData.bind(backend);
  const overrides = {
    tensors,
    engineBinding: binding,
    createOutputTensor: (metadata: TensorMetadata) => tensors.tensorOf(metadata),
    getInputTensorIds: (inputs: readonly (tf.TensorInfo | Int64Scalar)[]) =>
      inputs.map((input) =>
        'valueArray' in input ? binding.createTensor([], dataTypes.int64, input.valueArray) : tensors.idOf(input),
      ),
    write: (values: BackendValues, shape: number[], dtype: tf.DataType) => {
      const symbolic = tensors.intercept?.(values, shape, dtype);
      if (symbolic) return tensors.dataOf(symbolic);
      const dataId = {};
      move(dataId, values, shape, dtype, 1);
      tensors.written(dataId, tensors.tracer);
      return dataId;
    },
    move: (dataId: object, ...rest: [BackendValues, number[], tf.DataType, number]) => {
      move(dataId, ...rest);
      tensors.written(dataId, undefined);
    },
    disposeData: (dataId: object, force?: boolean) => tensors.disposed(dataId, () => disposeData(dataId, force)),
    readSync: (dataId: object) => tensors.read(dataId, () => readSync(dataId)),
    read: (dataId: object) => readLater(tensors, dataId, () => readSync(dataId)),
    memory: () => ({ unreliable: false }),
  };
  return Object.assign(backend, overrides);
}

/** A read that a trace refuses never ends: the trace remembers it, and throws when the step returns. */
function readLater(tensors: BackendTensors, dataId: object, eagerly: () => BackendValues): Promise<BackendValues> {
  try {
    return Promise.resolve(tensors.read(dataId, eagerly));
  } catch (error) {
    return tensors.tracer ? new Promise(() => undefined) : Promise.reject(error);
  }
}
