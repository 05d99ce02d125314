/**
 * Compiles each folder of kernels in AssemblyScript to the TypeScript file beside it, which holds the module in base64:
 * once for every machine with SIMD, and the engine's once more for those that fuse a multiplication with an addition (relaxed
 * SIMD, Node 22 and later). `npm run kernels` runs it. With --check it only compares, and fails when a file is not what the
 * sources compile to.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

/** Folders of kernels, and what each is compiled with, by the name that the file exports it under. */
const modules = {
  'engine/wasm/': { simd: ['simd'], relaxedSimd: ['simd', 'relaxed-simd'] },
  'corpus/resize/': { simd: ['simd'] },
};

/** @returns {Promise<string>} the module in base64 */
async function compile(folder, features) {
  let binary;
  const { error } = await asc.main(
    [
      'index.ts',
      '--baseDir',
      folder,
      '--outFile',
      'kernels.wasm',
      '-O3',
      '--noAssert',
      // No runtime, no data segment, no memory of its own: the kernels work in memory that they are given.
      '--runtime',
      'stub',
      '--importMemory',
      '--noExportMemory',
      '--disableWarning',
      '112',
      ...features.flatMap((feature) => ['--enable', feature]),
    ],
    { stderr: process.stderr, writeFile: (_, contents) => void (binary = contents) },
  );
  if (error) throw error;
  return Buffer.from(binary).toString('base64');
}

for (const [place, builds] of Object.entries(modules)) {
  const folder = new URL(place, import.meta.url);
  let source = '// Compiled from assembly/ by `npm run kernels`: edit there.\n';
  for (const [name, features] of Object.entries(builds)) {
    const base64 = await compile(fileURLToPath(new URL('assembly/', folder)), features);
    source += `export const ${name} =\n  '${base64}';\n`;
  }
  const target = new URL('kernels-binary.ts', folder);
  if (process.argv[2] !== '--check') await writeFile(target, source);
  else if ((await readFile(target, 'utf8')) !== source)
    throw new Error(`${place}kernels-binary.ts is stale: npm run kernels`);
}
