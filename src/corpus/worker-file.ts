import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Worker, type WorkerOptions } from 'node:worker_threads';

/**
 * Starts a thread from the file `name` beside `importer`. Node loads TypeScript in a thread only when it is told how there,
 * too; a built package needs nothing of it.
 *
 * @param importer `import.meta.url` of the module that the file lies beside
 * @param name without its ending
 */
export function startWorker(importer: string, name: string, options: WorkerOptions = {}): Worker {
  const plain = { ...options, execArgv: [] };
  if (!importer.endsWith('.ts')) return new Worker(new URL(`./${name}.js`, importer), plain);
  const loader = createRequire(import.meta.url)
    .resolve('tsx/esm/api')
    .replace(/\.cjs$/, '.mjs'); // `require` finds its other half
  const urls = [pathToFileURL(loader).href, new URL(`./${name}.ts`, importer).href];
  const [load, enter] = urls.map((url) => `import(${JSON.stringify(url)})`);
  return new Worker(`${load}.then(({ register }) => { register(); return ${enter}; })`, { ...plain, eval: true });
}
