import * as tf from '@tensorflow/tfjs';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { z } from 'zod';
import { EngineError } from '../../errors.ts';
import { parseOptions } from '../../options.ts';
import type { Engine } from '../engine.ts';
import type { EngineOptions } from '../use-engine.ts';
import { replaceKernels } from '../replace-kernels.ts';
import { compileWithinTidy } from '../within-tidy.ts';
import { guardReads } from './guard-reads.ts';
import { mendTransposes, webgpuKernels } from './kernels.ts';

export const WebgpuOptions = z.strictObject({
  /** Part of the name of the GPU to use, as `webgpu` lists them; any when left out. */
  adapter: z.string().min(1).optional(),
  /** Which GPU to prefer where there are two. @default 'high-performance' */
  powerPreference: z.enum(['high-performance', 'low-power']).default('high-performance'),
  /** The graphics API below: `vulkan`, `metal`, `d3d12`; the platform's own when left out. */
  api: z.enum(['vulkan', 'metal', 'd3d12', 'd3d11']).optional(),
});
type Options = z.output<typeof WebgpuOptions>;

/** Dawn lives as long as what `create` gave is referred to, so as long as its device is used. */
let gpu: GPU | undefined;

/**
 * Activates a GPU through WebGPU: the packages `webgpu` (Dawn for Node) and `@tensorflow/tfjs-backend-webgpu`, which are
 * installed by themselves. Tensors are read with `await tensor.data()` only, never with `dataSync()`.
 *
 * @throws {EngineError} when the packages are not installed, no GPU is found, or it gives no device
 */
export async function webgpuEngine(input: EngineOptions): Promise<Engine> {
  const options = parseOptions(`useEngine('webgpu')`, WebgpuOptions, input);
  const { dawn, WebGPUBackend: Backend } = await load();
  Object.assign(globalThis, dawn.globals);
  const adapter = await findAdapter(dawn.create, options);
  const device = await requestDevice(adapter);
  const backend = withNavigator(() => new Backend(device, adapter.info));
  guardReads(backend, device);
  mendTransposes(backend);
  // Started again after a lost device, or by a program that has a `navigator.gpu` for which the backend registered itself.
  if (tf.engine().registryFactory['webgpu']) tf.removeBackend('webgpu');
  tf.registerBackend('webgpu', () => backend);
  await tf.setBackend('webgpu');
  replaceKernels('webgpu', webgpuKernels);
  return { name: 'webgpu', description: describe(adapter.info), compile: compileWithinTidy };
}

const describe = ({ vendor, architecture, device, description }: GPUAdapterInfo): string =>
  `WebGPU on ${description || device || 'an unnamed GPU'} (${[vendor, architecture].filter(Boolean).join(' ')}), tfjs ${tf.version_core}`;

async function load() {
  try {
    const [dawn, { WebGPUBackend: backend }] = await Promise.all([
      import('webgpu'),
      import('@tensorflow/tfjs-backend-webgpu'),
    ]);
    return { dawn, WebGPUBackend: backend };
  } catch (cause) {
    throw new EngineError(
      'webgpu: expected the packages `webgpu` and `@tensorflow/tfjs-backend-webgpu`, which could not be loaded. ' +
        `Run \`npm install webgpu @tensorflow/tfjs-backend-webgpu@${tf.version_core}\`.`,
      {},
      { cause },
    );
  }
}

async function findAdapter(create: (options: string[]) => GPU, options: Options): Promise<GPUAdapter> {
  const { adapter: name, api, powerPreference } = options;
  gpu = create([...(name ? [`adapter=${name}`] : []), ...(api ? [`backend=${api}`] : [])]);
  // Without a driver Dawn answers null, for an unknown name it rejects with a list of those that it knows.
  let cause: unknown;
  const adapter = await gpu.requestAdapter({ powerPreference }).catch((error: unknown) => ((cause = error), null));
  if (adapter) return adapter;
  const wanted = [name && `named \`${name}\``, api && `under \`${api}\``].filter(Boolean).join(' ');
  throw new EngineError(
    `webgpu: expected a GPU${wanted && ` ${wanted}`}, found none. Install the GPU's Vulkan driver (Linux: \`vulkaninfo\` must list it), or use the engine \`wasm\`.`,
    { adapter: name, api },
    { cause },
  );
}

/** Asks for all that the adapter can do: tensors may be as large as its buffers. */
async function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const { limits } = adapter;
  const names = [
    'maxComputeWorkgroupStorageSize',
    'maxComputeWorkgroupsPerDimension',
    'maxStorageBufferBindingSize',
    'maxBufferSize',
    'maxStorageBuffersPerShaderStage',
    'maxComputeWorkgroupSizeX',
    'maxComputeInvocationsPerWorkgroup',
  ] as const;
  try {
    return await adapter.requestDevice({
      requiredLimits: Object.fromEntries(names.map((name) => [name, limits[name]])),
      requiredFeatures: adapter.features.has('timestamp-query') ? ['timestamp-query'] : [],
    });
  } catch (cause) {
    throw new EngineError(
      `webgpu: ${describe(adapter.info)} gave no device. Close programs that use the GPU, or use the engine \`wasm\`.`,
      {},
      { cause },
    );
  }
}

/** Shows the backend's constructor the `navigator.gpu` that it looks for, and takes it away again. */
function withNavigator(construct: () => WebGPUBackend): WebGPUBackend {
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  Object.defineProperty(globalThis, 'navigator', { value: { gpu }, configurable: true });
  try {
    return construct();
  } finally {
    if (before) Object.defineProperty(globalThis, 'navigator', before);
    else Reflect.deleteProperty(globalThis, 'navigator');
  }
}
