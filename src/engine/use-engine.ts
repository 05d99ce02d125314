import { z } from 'zod';
import { EngineError } from '../errors.ts';
import { parseOptions } from '../options.ts';
import { cpuEngine } from './cpu-engine.ts';
import { setDebugging } from './debug.ts';
import { type Engine, type EngineName, engineNames } from './engine.ts';
import { registerAvgPoolGradient } from './avg-pool-gradient.ts';
import { registerBatchNormGradient } from './batch-norm-gradient.ts';
import { registerEinsumGradient } from './einsum-gradient.ts';
import { wasmEngine } from './wasm/wasm-engine.ts';

/** Options of an engine; each engine says which it knows. */
export type EngineOptions = Readonly<Record<string, unknown>>;

/**
 * Options that every engine knows, besides its own.
 *
 * @example const engine = await useEngine('cpu', { debug: true });
 */
export interface CommonOptions {
  /**
   * Makes the first operation that gives NaN an error, which names the operation, its inputs and the place in the code.
   * Steps are not compiled and every result is read: slow, and not for `webgpu`. @default false
   */
  readonly debug?: boolean;
}

const CheckedOptions = z.looseObject({ debug: z.boolean().default(false) });

/** How an engine is found and started. */
export interface EngineLoader {
  /** Whether it could be started here, without starting it. Engines that leave this out always can. */
  isInstalled?(): boolean | Promise<boolean>;
  /** @throws {EngineError} when it cannot be started, saying what to do */
  start(options: EngineOptions): Promise<Engine>;
}

/** Engines that come with the package's own dependencies take no options yet; a misspelt one must fail all the same. */
const noOptions = (name: EngineName, options: EngineOptions) =>
  parseOptions(`useEngine('${name}')`, z.strictObject({}), options);

const loaders = new Map<EngineName, EngineLoader>([
  [
    'wasm',
    {
      start: (options) => {
        noOptions('wasm', options);
        return wasmEngine();
      },
    },
  ],
  [
    'cpu',
    {
      start: (options) => {
        noOptions('cpu', options);
        return cpuEngine();
      },
    },
  ],
]);

/** The order in which `auto` looks for an engine: the fastest first. */
const bySpeed: readonly EngineName[] = ['tensorflow', 'wasm'];

/** Makes an engine known under its name, in place of the one that was. */
export function registerEngine(name: EngineName, loader: EngineLoader): void {
  loaders.set(name, loader);
}

let active: Engine | undefined;

/**
 * The engine that `useEngine` activated last.
 *
 * @example
 * activeEngine()?.name; // 'cpu', if nobody has chosen another
 */
export const activeEngine = (): Engine | undefined => active;

/**
 * Activates an engine: from then on it holds the tensors and computes. `auto` takes the fastest that is installed,
 * `tensorflow` before `wasm`; one that is installed and does not start is passed over, and the description says why.
 *
 * @returns the engine, whose `description` says what was chosen
 * @throws {EngineError} when the engine is unknown, not installed, or does not start
 * @throws {OptionsError} when an option is unknown to the engine
 *
 * @example
 * const engine = await useEngine('auto');
 * console.log(engine.description);
 * const step = engine.compile((x: tf.Tensor) => tf.square(x));
 */
export async function useEngine(
  name: EngineName | 'auto' = 'auto',
  options: EngineOptions & CommonOptions = {},
): Promise<Engine> {
  registerEinsumGradient();
  registerBatchNormGradient();
  registerAvgPoolGradient();
  const { debug, ...own } = parseOptions(`useEngine('${name}')`, CheckedOptions, options);
  if (debug && name === 'webgpu')
    throw new EngineError(
      "useEngine('webgpu'): expected `debug` to be off, for what lies on the GPU cannot be read at once. Use the engine `wasm` to look for NaN.",
    );
  setDebugging(false);
  active = name === 'auto' ? await startFastest(own) : await (await loaderOf(name)).start(own);
  setDebugging(debug);
  return active;
}

/** Starts the first engine that is there. Options are for the fastest alone: another would not know them. */
async function startFastest(options: EngineOptions): Promise<Engine> {
  const passedOver: string[] = [];
  for (const name of bySpeed) {
    const loader = await loaderOf(name);
    if (!((await loader.isInstalled?.()) ?? true)) continue;
    try {
      const engine = await loader.start(name === 'wasm' ? {} : options);
      if (passedOver.length === 0) return engine;
      return { ...engine, description: [engine.description, ...passedOver].join('; ') };
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      passedOver.push(`${name} did not start: ${error.message}`);
    }
  }
  throw new EngineError(`useEngine('auto'): no engine started (${passedOver.join('; ')}). Use \`cpu\`.`);
}

/** Engines whose modules, and what they depend on, are loaded only when asked for. */
const lazyLoaders: Partial<Record<EngineName, () => Promise<EngineLoader>>> = {
  tensorflow: async () => {
    const { isInstalled, loadTensorflow } = await import('./tensorflow/index.ts');
    return { isInstalled: () => isInstalled(), start: loadTensorflow };
  },
  webgpu: async () => ({ start: (await import('./webgpu/webgpu-engine.ts')).webgpuEngine }),
};

async function loaderOf(name: EngineName): Promise<EngineLoader> {
  const loader = loaders.get(name) ?? (await lazyLoaders[name]?.());
  if (loader) return loader;
  throw new EngineError(
    `useEngine(): expected one of ${[...engineNames, 'auto'].map((known) => `\`${known}\``).join(', ')}, got \`${name}\`. Choose one of them.`,
    { name },
  );
}
