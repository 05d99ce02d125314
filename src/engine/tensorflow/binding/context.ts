import type { Library } from './library.ts';
import { Double, encodeMessage, type Field } from './protobuf.ts';
import { Queue } from './queue.ts';
import type { Pointer } from './signatures.ts';
import type { Status } from './status.ts';

/** What TensorFlow's runtime is told once, when it starts. */
export interface ContextOptions {
  /** Threads within one operation. @default the cores of the machine */
  readonly intraOpThreads?: number | undefined;
  /** Operations at a time. @default the cores of the machine */
  readonly interOpThreads?: number | undefined;
  /** `cpu` hides the GPUs; `gpu:1` shows the second alone. @default the first GPU when there is one */
  readonly device?: string | undefined;
  /** Takes GPU memory as it is needed instead of nearly all of it at once. @default true */
  readonly memoryGrowth?: boolean | undefined;
  /** Share of the GPU's memory that may be used, 0 to 1. */
  readonly memoryFraction?: number | undefined;
  /** Uses only kernels whose results repeat bit for bit, which may be slower. @default false */
  readonly deterministic?: boolean | undefined;
}

export interface Device {
  /** As TensorFlow names it: `/job:localhost/replica:0/task:0/device:GPU:0`. */
  readonly name: string;
  readonly type: string;
  readonly memoryBytes: number;
}

/** TensorFlow's eager runtime: its devices, kernels and functions. */
export class Context {
  readonly pointer: Pointer;
  readonly devices: readonly Device[];
  /** The device of tensors and operations: the first GPU, or the CPU. */
  readonly device: Device;
  readonly queue: Queue;
  readonly #library: Library;

  constructor(library: Library, status: Status, options: ContextOptions = {}) {
    this.#library = library;
    if (options.deterministic) process.env['TF_DETERMINISTIC_OPS'] = '1';
    this.pointer = newContext(library, status, encodeConfig(options));
    this.devices = listDevices(library, status, this.pointer);
    this.queue = new Queue(library, this.pointer);
    const fallback: Device = { name: '/job:localhost/replica:0/task:0/device:CPU:0', type: 'CPU', memoryBytes: 0 };
    this.device =
      this.devices.find(({ type }) => type === 'GPU') ?? this.devices.find(({ type }) => type === 'CPU') ?? fallback;
  }

  get isGpu(): boolean {
    return this.device.type === 'GPU';
  }

  dispose(): void {
    this.#library.c.TFE_DeleteContext(this.pointer);
  }
}

function newContext({ c }: Library, status: Status, config: Uint8Array): Pointer {
  const SILENT = 2; // copies between devices without a word: small int32 tensors live on the host
  const options = c.TFE_NewContextOptions();
  try {
    c.TFE_ContextOptionsSetConfig(options, config, config.length, status.pointer);
    status.check('newContext(): the configuration');
    c.TFE_ContextOptionsSetDevicePlacementPolicy(options, SILENT);
    const context = c.TFE_NewContext(options, status.pointer);
    status.check('newContext()');
    return context;
  } finally {
    c.TFE_DeleteContextOptions(options);
  }
}

/** Writes `ConfigProto` (tensorflow/core/protobuf/config.proto). */
export function encodeConfig(options: ContextOptions): Uint8Array {
  const fields: Field[] = [];
  if (options.device === 'cpu')
    fields.push([
      1,
      encodeMessage([
        [1, 'GPU'],
        [2, 0],
      ]),
    ]); // device_count
  if (options.intraOpThreads !== undefined) fields.push([2, options.intraOpThreads]);
  if (options.interOpThreads !== undefined) fields.push([5, options.interOpThreads]);
  const gpu: Field[] = [[4, options.memoryGrowth === false ? 0 : 1]]; // allow_growth
  if (options.memoryFraction !== undefined) gpu.push([1, new Double(options.memoryFraction)]);
  const picked = /^gpu:(\d+)$/u.exec(options.device ?? '')?.[1];
  if (picked !== undefined) gpu.push([5, picked]); // visible_device_list
  fields.push([6, encodeMessage(gpu)]);
  fields.push([7, 1]); // allow_soft_placement
  return encodeMessage(fields);
}

function listDevices({ c }: Library, status: Status, context: Pointer): Device[] {
  const list = c.TFE_ContextListDevices(context, status.pointer);
  status.check('listDevices()');
  try {
    return Array.from({ length: c.TF_DeviceListCount(list) }, (_, i) => ({
      name: c.TF_DeviceListName(list, i, status.pointer),
      type: c.TF_DeviceListType(list, i, status.pointer),
      memoryBytes: Number(c.TF_DeviceListMemoryBytes(list, i, status.pointer)),
    }));
  } finally {
    c.TF_DeleteDeviceList(list);
  }
}
