import assert from 'node:assert/strict';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../../../src/engine/tensorflow/install/package-client.ts';
import { temporaryFolder } from '../install/temporary-folder.ts';
import { writeFile } from 'node:fs/promises';

const source = (path: string) => JSON.stringify(fileURLToPath(new URL(`../../../../src/${path}`, import.meta.url)));

/** What `loadLibrary` throws for two files, in a process of its own: a process holds one TensorFlow. */
async function errorOf(framework: string, main: string): Promise<string> {
  const { exitCode, output, errors } = await runCommand(process.execPath, [
    '--import',
    'tsx',
    '--input-type',
    'module',
    '--eval',
    `const { loadLibrary } = await import(${source('engine/tensorflow/binding/library.ts')});
     const { EngineError } = await import(${source('errors.ts')});
     try {
       loadLibrary(${JSON.stringify({ framework, main })});
     } catch (error) {
       console.log(error instanceof EngineError, error.message);
     }`,
  ]);
  assert.equal(exitCode, 0, errors);
  return output;
}

describe('loadLibrary', function () {
  this.timeout(30_000);
  const folder = temporaryFolder();

  it('refuses a library of another version by the function that it lacks', async function () {
    if (process.platform !== 'linux') this.skip(); // the name of a small library that is everywhere
    assert.match(
      await errorOf('libm.so.6', 'libm.so.6'),
      /^true loadLibrary\(\): this TensorFlow has no function TF_\w+: it is of a version .*engine install/u,
    );
  });

  it('names a file that is not there, and one that is no library', async () => {
    const [absent, broken] = [join(folder(), 'absent.so'), join(folder(), 'broken.so')];
    await writeFile(broken, 'not a library');
    for (const file of [absent, broken]) {
      const message = await errorOf(file, file);
      assert.match(message, /^true loadLibrary\(\): .*(absent|broken)\.so cannot be loaded: .*`npx taustream doctor`/u);
    }
  });
});
