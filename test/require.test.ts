import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));

describe('require', () => {
  it('gives a CommonJS module the whole package, where Node can require modules', async function () {
    if (!existsSync(new URL('../dist/index.js', import.meta.url)) || !('require_module' in process.features))
      this.skip();
    const program = "const { fit, minibatches } = require('taustream'); console.log(typeof fit, typeof minibatches)";
    const args = ['--input-type=commonjs', '-e', program];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
    assert.equal(stdout, 'function function\n');
  });
});
