import type { Attribute } from './attributes.ts';
import { Context, type ContextOptions } from './context.ts';
import { dataTypes, type DataType } from './data-types.ts';
import { Handles } from './handles.ts';
import { loadLibrary, type Library, type LibraryFiles } from './library.ts';
import { OpDefinitions } from './op-definitions.ts';
import { OpRunner, type OpRunnerParts, type TensorMetadata } from './ops.ts';
import { SavedModels } from './saved-model.ts';
import type { EngineStatistics } from './statistics.ts';
import { Status } from './status.ts';
import { Tensors, type HostValues, type ReadValues } from './tensors.ts';

/** What runs TensorFlow.js' operations: TensorFlow itself, or the tracer while a step is compiled. */
export interface Executor {
  createTensor: (shape: number[], dtype: DataType, values: HostValues) => number;
  deleteTensor: (id: number) => void;
  tensorDataSync: (id: number) => ReadValues;
  executeOp: (name: string, attributes: readonly Attribute[], inputs: number[], outputs: number) => TensorMetadata[];
}

/**
 * The object that `NodeJSKernelBackend` of tfjs-node expects in place of its compiled addon (`tfjs_binding.d.ts`), over
 * TensorFlow's C API.
 */
export class Binding implements OpRunnerParts {
  readonly library: Library;
  readonly status: Status;
  readonly context: Context;
  readonly definitions: OpDefinitions;
  readonly handles: Handles;
  readonly tensors: Tensors;
  readonly ops: OpRunner;
  readonly savedModels: SavedModels;
  /** Names of the functions that TensorFlow knows, compiled steps and their parts. */
  readonly functions = new Set<string>();
  /** What takes the calls of the kernels while a step is traced. */
  currentTracer: () => Executor | undefined = () => undefined;

  readonly TF_FLOAT = dataTypes.float32;
  readonly TF_INT32 = dataTypes.int32;
  readonly TF_INT64 = dataTypes.int64;
  readonly TF_BOOL = dataTypes.bool;
  readonly TF_COMPLEX64 = dataTypes.complex64;
  readonly TF_STRING = dataTypes.string;
  readonly TF_RESOURCE = dataTypes.resource;
  readonly TF_UINT8 = dataTypes.uint8;
  readonly TF_ATTR_STRING = 0;
  readonly TF_ATTR_INT = 1;
  readonly TF_ATTR_FLOAT = 2;
  readonly TF_ATTR_BOOL = 3;
  readonly TF_ATTR_TYPE = 4;
  readonly TF_ATTR_SHAPE = 5;
  readonly TF_ATTR_RESOURCE = 8;
  readonly TF_Version: string;

  constructor(files: LibraryFiles, options?: ContextOptions) {
    this.library = loadLibrary(files);
    this.TF_Version = this.library.version;
    this.status = new Status(this.library);
    this.context = new Context(this.library, this.status, options);
    this.definitions = new OpDefinitions(this.library);
    this.handles = new Handles(this.library);
    this.tensors = new Tensors(this.library, this.status, this.context);
    this.ops = new OpRunner(this);
    this.savedModels = new SavedModels(this);
  }

  createTensor(shape: number[], dtype: DataType, values: HostValues): number {
    return this.currentTracer()?.createTensor(shape, dtype, values) ?? this.upload(shape, dtype, values);
  }

  /** Makes a tensor even while a step is traced. */
  upload(shape: number[], dtype: DataType, values: HostValues): number {
    return this.handles.add(this.tensors.upload(shape, dtype, values));
  }

  deleteTensor(id: number): void {
    const tracer = this.currentTracer();
    if (tracer) tracer.deleteTensor(id);
    else this.release(id);
  }

  /** Deletes a tensor even while a step is traced. */
  release(id: number): void {
    this.handles.delete(id);
  }

  tensorDataSync(id: number): ReadValues {
    return this.currentTracer()?.tensorDataSync(id) ?? this.tensors.download(this.handles.get(id));
  }

  executeOp(name: string, attributes: readonly Attribute[], inputs: number[], outputs: number): TensorMetadata[] {
    const tracer = this.currentTracer();
    if (tracer) return tracer.executeOp(name, attributes, inputs, outputs);
    return this.ops.run(name, attributes, inputs, outputs);
  }

  loadSavedModel(folder: string, tags: string): number {
    return this.savedModels.load(folder, tags);
  }

  deleteSavedModel(id: number): void {
    this.savedModels.delete(id);
  }

  runSavedModel(id: number, inputs: number[], inputNames: string, outputNames: string): TensorMetadata[] {
    return this.savedModels.run(id, inputs, inputNames, outputNames);
  }

  getNumOfSavedModels(): number {
    return this.savedModels.size;
  }

  getNumOfTensors(): number {
    return this.handles.size;
  }

  isUsingGpuDevice(): boolean {
    return this.context.isGpu;
  }

  statistics(): EngineStatistics {
    return {
      liveTensors: this.handles.size,
      savedModels: this.savedModels.size,
      functions: this.functions.size,
      operations: this.ops.executed,
      residentBytes: process.memoryUsage.rss(),
      devices: this.context.devices,
    };
  }
}
