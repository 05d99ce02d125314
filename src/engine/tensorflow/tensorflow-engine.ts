import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { EngineError } from '../../errors.ts';
import { parseOptions } from '../../options.ts';
import type { CompileOptions } from '../compile-options.ts';
import type { Engine, Step, Tensors } from '../engine.ts';
import { compileStep, type CompiledStep, type CompileServices } from './compile/compile-step.ts';
import { Seeds } from './compile/seeds.ts';
import { createBackend, type TensorflowBackend } from './backend.ts';
import { Binding } from './binding/binding.ts';
import { joinCluster, type Cluster, type ClusterOptions } from './cluster.ts';
import { switchFor } from './cudnn/cudnn-or-loops.ts';
import type { CudnnState } from './cudnn/cudnn-switch.ts';
import { cudnnOperations } from './cudnn/operations.ts';
import type { EngineStatistics } from './binding/statistics.ts';
import { registerKernels } from './kernels/register-kernels.ts';
import { registerRecurrentLayers } from './scan/recurrent-layers.ts';
import { XlaSwitch } from './scan/xla-switch.ts';
import { restoreUtil } from './node-legacy.ts';
import { usableInstallation, type Installation } from './install/installation.ts';
import { hasNvidiaDriver } from './install/nvidia-driver.ts';

const threads = z.int().min(1).max(1024);
export const TensorflowOptions = z.strictObject({
  /** Threads within one operation. @default the cores of the machine */
  intraOpThreads: threads.optional(),
  /** Operations at a time. @default the cores of the machine */
  interOpThreads: threads.optional(),
  /** Uses only kernels whose results repeat bit for bit. @default false */
  deterministic: z.boolean().default(false),
  /** Takes GPU memory as it is needed. @default true */
  memoryGrowth: z.boolean().default(true),
  /** Share of the GPU's memory that may be used, above 0 and at most 1. @default all */
  memoryFraction: z.number().gt(0).max(1).optional(),
  /** `cpu`, `gpu`, or one GPU as `gpu:1`. @default the first GPU, else the CPU */
  device: z
    .string()
    .regex(/^(cpu|gpu(:\d+)?)$/u)
    .optional(),
  /** Where engines live. @default see `cacheFolder` */
  cacheDir: z.string().min(1).optional(),
});
export type TensorflowOptions = z.input<typeof TensorflowOptions>;

/** TensorFlow as an engine. */
export interface TensorflowEngine extends Engine {
  readonly name: 'tensorflow';
  readonly backend: TensorflowBackend;
  /**
   * Compiles a step: the first call with a structure, shape and type of its arguments traces it, later calls run one
   * TensorFlow function. Variables that the step reads become inputs, those that it assigns to become outputs, without
   * copies; random numbers are drawn by TensorFlow, new ones at every call. Plain JavaScript runs at the trace alone:
   * what changes from call to call has to be an argument or a variable.
   *
   * @returns the step, whose results are owned by the caller
   * @throws {CompileError} at the first call, when the step reads a tensor on the host or captures one, naming the place
   *
   * @example
   * const step = engine.compile((x: tf.Tensor2D, y: tf.Tensor1D, rate: tf.Scalar) => {
   *   const { value, grads } = tf.variableGrads(() => loss(model.apply(x), y));
   *   for (const v of weights) v.assign(v.sub(grads[v.name].mul(rate)));
   *   return value;
   * });
   */
  compile<Args extends readonly Tensors[], Result extends Tensors>(
    step: Step<Args, Result>,
    options?: CompileOptions,
  ): CompiledStep<Args, Result>;
  /** Starts the random numbers of compiled steps over from `seed`. */
  setSeed(seed: number): void;
  /** Whether LSTM layers run on cuDNN: `untried` until the first does, `off` where it turned out not to work. */
  readonly cudnn: CudnnState | 'absent';
  /** What the engine holds at this moment. */
  statistics(): EngineStatistics;
  /** Whether it computes on a GPU. */
  readonly isGpu: boolean;
  /**
   * Copies a float32 tensor into memory of the caller's: for a tensor that is read at every step, without memory anew.
   *
   * @throws {EngineError} when the tensor has another type, or another number of elements than `target`
   */
  readInto(tensor: tf.Tensor, target: Float32Array): void;
  /**
   * Joins other processes, to sum tensors over all of them. Once a process: TensorFlow cannot leave again.
   *
   * @throws {EngineError} when TensorFlow cannot listen at its address, or is a member of a cluster already
   */
  joinCluster(options: ClusterOptions): Cluster;
}

let active: Promise<TensorflowEngine> | undefined;
/** With what it was started. */
let activeOptions = '';

/**
 * Loads the installed TensorFlow and makes it TensorFlow.js' backend. A process has one TensorFlow: a second call gives
 * the same engine.
 *
 * @throws {EngineError} when TensorFlow is not installed, damaged, or cannot be loaded here, or runs already with other
 *   options than those asked for
 *
 * @example
 * const engine = await loadTensorflow({ intraOpThreads: 2 });
 * console.log(engine.description); // TensorFlow 2.21.0 on CPU
 */
export async function loadTensorflow(input: TensorflowOptions = {}): Promise<TensorflowEngine> {
  const options = parseOptions("useEngine('tensorflow')", TensorflowOptions, input);
  const asked = JSON.stringify(options);
  if (active && Object.keys(input).length > 0 && asked !== activeOptions) throw otherOptions(asked);
  if (!active) activeOptions = asked;
  active ??= start(options);
  try {
    const engine = await active;
    await tf.setBackend('tensorflow');
    return engine;
  } catch (error) {
    active = undefined;
    throw error;
  }
}

const otherOptions = (asked: string): EngineError =>
  new EngineError(
    `useEngine('tensorflow'): TensorFlow runs already with ${activeOptions}, and cannot change to ${asked}. Give the options at the first start, or use another process.`,
    { options: activeOptions, asked },
  );

async function start(options: z.output<typeof TensorflowOptions>): Promise<TensorflowEngine> {
  const wantsGpu = options.device?.startsWith('gpu') ?? (options.device !== 'cpu' && (await hasNvidiaDriver()));
  const installation = await usableInstallation(options.cacheDir, wantsGpu);
  tellXlaWhereCudaIs(installation);
  const binding = new Binding(installation.files, options);
  if (options.device?.startsWith('gpu') && !binding.context.isGpu) {
    throw new EngineError(
      `useEngine('tensorflow'): expected a GPU (\`device: '${options.device}'\`), but TensorFlow sees none. Run \`npx taustream doctor\`.`,
    );
  }
  const backend = await registerBackend(binding);
  const seeds = new Seeds();
  // On GPUs XLA needs CUDA's own compiler, and TensorFlow's loops do well there.
  const xla = new XlaSwitch(!binding.context.isGpu);
  const cudnn = binding.context.isGpu ? switchFor(backend, cudnnOperations(backend)) : undefined;
  const services: CompileServices = {
    seedStream: (seed) => seeds.stream(seed),
    recover: (error) => xla.giveUp(error) ?? (cudnn?.giveUp(error) ? {} : undefined), // cuDNN was tried by itself before
  };
  let isMember = false;
  const recurrentServices = { ...services, alwaysCompiled: true };
  registerRecurrentLayers(backend, (step) => compileStep(backend, recurrentServices, step), {
    xla,
    cudnn,
    threads: binding.context.isGpu ? 1 : threadsOf(options),
  });
  return {
    name: 'tensorflow',
    description: `TensorFlow ${binding.TF_Version} on ${binding.context.device.type}`,
    backend,
    get cudnn() {
      return cudnn?.state ?? 'absent';
    },
    compile: (step, compileOptions) => compileStep(backend, services, step, compileOptions),
    computed: () => binding.context.queue.computed(),
    setSeed: (seed) => seeds.set(seed),
    statistics: () => binding.statistics(),
    isGpu: binding.context.isGpu,
    readInto: (tensor, target) =>
      binding.tensors.downloadInto(binding.handles.get(backend.tensors.idOf(tensor)), target),
    joinCluster: (cluster) => {
      if (isMember)
        throw new EngineError(
          'joinCluster(): TensorFlow is a member of a cluster already, and cannot leave it. Use another process.',
        );
      isMember = true;
      return joinCluster(backend, installation.files, cluster);
    },
  };
}

/** How many operations can compute at a time, each on one thread. */
function threadsOf({ intraOpThreads, interOpThreads }: z.output<typeof TensorflowOptions>): number {
  const cores = availableParallelism();
  return Math.min(intraOpThreads ?? cores, interOpThreads ?? cores);
}

/** XLA looks for CUDA's compiler and device library in the system; the installation has its own. */
function tellXlaWhereCudaIs({ folder, manifest }: Installation): void {
  if (manifest.variant !== 'cuda') return;
  process.env['XLA_FLAGS'] ??= `--xla_gpu_cuda_data_dir=${join(folder, 'nvidia', 'cuda_nvcc')}`;
}

/** Registers tfjs-node's kernels, and our backend for them. Its main entry is never imported: it loads the addon. */
async function registerBackend(binding: Binding): Promise<TensorflowBackend> {
  restoreUtil();
  const { NodeJSKernelBackend } = await import('@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js');
  await import('@tensorflow/tfjs-node-gpu/dist/register_all_kernels.js');
  const backend = createBackend(NodeJSKernelBackend, binding);
  const FIRST = 3; // above wasm's 2 and cpu's 1, as tfjs-node has it
  tf.registerBackend('tensorflow', () => backend, FIRST);
  registerKernels(backend);
  return backend;
}
