import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isTaustreamError, PipelineError, firstLineOf } from '../errors.ts';
import { isPipeline, type Pipeline } from '../pipeline.ts';

/**
 * Loads the pipeline that a TypeScript or JavaScript file exports as its default.
 *
 * @throws {PipelineError} when there is no such file, it cannot be loaded, or exports something else
 */
export async function loadPipeline(file: string): Promise<Pipeline> {
  const path = resolve(file);
  await access(path).catch((cause: unknown) => {
    throw new PipelineError(`${file}: expected a pipeline file, found none. Check the path.`, { file }, { cause });
  });
  const exported = defaultOf(await importFile(file, path));
  if (isPipeline(exported)) return exported;
  const found = exported === undefined ? 'no default export' : `a default export of another kind (${typeof exported})`;
  throw new PipelineError(
    `${file}: expected \`export default definePipeline({ … })\`, got ${found}. Export a pipeline, with definePipeline of \`taustream\`.`,
    { file },
  );
}

async function importFile(file: string, path: string): Promise<unknown> {
  try {
    return await import(pathToFileURL(path).href);
  } catch (cause) {
    if (isTaustreamError(cause)) throw cause;
    const reason = firstLineOf(cause);
    const place = cause instanceof Error ? placeIn(cause, path) : '';
    throw new PipelineError(`${file}${place}: cannot be loaded: ${reason}. Correct the file.`, { file }, { cause });
  }
}

/** `:line` of the file where the error came up, if its stack knows. */
function placeIn(error: Error, path: string): string {
  const stack = error.stack ?? '';
  const at = stack.indexOf(`${path}:`);
  return at < 0 ? '' : `:${Number.parseInt(stack.slice(at + path.length + 1), 10)}`;
}

/** A file that Node takes for CommonJS has its default export one level further in. */
function defaultOf(module: unknown): unknown {
  const outer = isObject(module) ? module['default'] : undefined;
  return isObject(outer) && !isPipeline(outer) && 'default' in outer ? outer['default'] : outer;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
