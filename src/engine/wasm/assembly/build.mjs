/**
 * Compiles the kernels in this folder to `src/engine/wasm/kernels-binary.ts`: once for every machine with SIMD, once for
 * those that fuse a multiplication with an addition (relaxed SIMD, Node 22 and later). `npm run kernels` runs it. With --check
 * it only compares, and fails when the file is not what the sources compile to.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const folder = fileURLToPath(new URL('.', import.meta.url));
const target = fileURLToPath(new URL('../kernels-binary.ts', import.meta.url));

/** @returns {Promise<string>} the module in base64 */
async function compile(features) {
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
      // No runtime, no data segment, no memory of its own: the kernels work in the TensorFlow.js backend's memory.
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

const [withoutFusion, withFusion] = [await compile(['simd']), await compile(['simd', 'relaxed-simd'])];
const source = `// Compiled from assembly/ by \`npm run kernels\`: edit there.
export const simd =
  '${withoutFusion}';
export const relaxedSimd =
  '${withFusion}';
`;
if (process.argv[2] !== '--check') await writeFile(target, source);
else if ((await readFile(target, 'utf8')) !== source) throw new Error('kernels-binary.ts is stale: npm run kernels');
