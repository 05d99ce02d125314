import { z } from 'zod';
import { EngineError } from '../errors.ts';
import { parseOptions } from '../options.ts';
import { cpuEngine } from './cpu-engine.ts';
import { type Engine, type EngineName, engineNames } from './engine.ts';
import { registerAvgPoolGradient } from './avg-pool-gradient.ts';
import { registerBatchNormGradient } from './batch-norm-gradient.ts';
import { registerEinsumGradient } from './einsum-gradient.ts';
import { wasmEngine } from './wasm/wasm-engine.ts';

/** Options of an engine; each engine says which it knows. */
export type EngineOptions = Readonly<Record<string, unknown>>;

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

/** The engine that `useEngine` activated last. */
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
export async function useEngine(name: EngineName | 'auto' = 'auto', options: EngineOptions = {}): Promise<Engine> {
  registerEinsumGradient();
  registerBatchNormGradient();
  registerAvgPoolGradient();
  active = name === 'auto' ? await startFastest(options) : await (await loaderOf(name)).start(options);
  return active;
}

/** Starts the first engine that is there. Options are for the fastest alone: another would not know them. */
async function startFastest(options: EngineOptions): Promise<Engine> {
  const passedOver: string[] = [];
  for (const name of bySpeed) {
    const loader = await findLoader(name);
    if (!loader || !((await loader.isInstalled?.()) ?? true)) continue;
    try {
      const engine = await loader.start(name === 'wasm' ? {} : options);
      return { ...engine, description: [engine.description, ...passedOver].join('; ') };
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      passedOver.push(`${name} did not start: ${error.message}`);
    }
  }
  throw new EngineError(`useEngine('auto'): no engine started (${passedOver.join('; ')}). Use \`cpu\`.`);
}

async function loaderOf(name: EngineName): Promise<EngineLoader> {
  if (!engineNames.includes(name)) {
    throw new EngineError(
      `useEngine(): expected one of ${[...engineNames, 'auto'].map((known) => `\`${known}\``).join(', ')}, got \`${name}\`. Choose one of them.`,
      { name },
    );
  }
  const loader = await findLoader(name);
  if (loader) return loader;
  throw new EngineError(
    `useEngine('${name}'): this build of taustream does not carry the engine. Use \`wasm\`, or update taustream.`,
    { name },
  );
}

/** Engines whose modules are loaded only when asked for: each registers itself under its name when it is imported. */
const lazyModules: Partial<Record<EngineName, string>> = {
  tensorflow: './tensorflow/register',
  webgpu: './webgpu/register',
};

async function findLoader(name: EngineName): Promise<EngineLoader | undefined> {
  const path = lazyModules[name];
  if (!loaders.has(name) && path !== undefined) await importIfThere(path);
  return loaders.get(name);
}

/** Imports a module of ours that a build may lack. Any other failure to load it is the caller's to see. */
async function importIfThere(path: string): Promise<void> {
  // From source these files end in .ts, in the built package in .js: like this file.
  const url = new URL(path + (import.meta.url.endsWith('.ts') ? '.ts' : '.js'), import.meta.url).href;
  try {
    await import(url);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const missing = code === 'ERR_MODULE_NOT_FOUND' && error instanceof Error && error.message.includes(path.slice(2));
    if (!missing) throw error;
  }
}
