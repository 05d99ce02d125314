import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isInstalled } from '../../../src/engine/tensorflow/index.ts';
import { runCommand } from '../../../src/engine/tensorflow/install/package-client.ts';
import type { CoreTestResult } from '../fixtures/core-tests.ts';
import { coreTestGaps } from './core-test-gaps.ts';

const program = fileURLToPath(new URL('../fixtures/core-tests.ts', import.meta.url));
const lines = (results: readonly CoreTestResult[]) => results.map(({ name, message }) => `${name}: ${message}`);
const gapOf = (name: string) => coreTestGaps.find(({ names }) => names.test(name));

describe('the binding, by the tests that tfjs-core carries', function () {
  this.timeout(300_000);
  let results: readonly CoreTestResult[] = [];
  let failed: readonly CoreTestResult[] = [];

  before(async function () {
    if (!(await isInstalled())) {
      this.test!.parent!.title += ' (skipped: TensorFlow is not installed; `npx taustream engine install`)';
      this.skip();
    }
    const folder = await mkdtemp(join(tmpdir(), 'taustream-core-tests-'));
    try {
      const file = join(folder, 'results.json');
      const { exitCode, errors } = await runCommand(process.execPath, ['--import', 'tsx', program, file]);
      assert.equal(exitCode, 0, errors);
      // written by the program above as this very type
      results = JSON.parse(await readFile(file, 'utf8')) as CoreTestResult[];
      failed = results.filter(({ status }) => status === 'failed');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('passes every one that is not named as a gap', () => {
    assert.deepEqual(lines(failed.filter(({ name }) => !gapOf(name))), []);
  });

  it('runs thousands of them', () => {
    const passed = results.filter(({ status }) => status === 'passed').length;
    assert.ok(passed > 3900, `${passed} passed`);
  });

  it('has no gap that is closed', () => {
    const closed = coreTestGaps.filter(({ names }) => !failed.some(({ name }) => names.test(name)));
    assert.deepEqual(
      closed.map(({ why }) => why),
      [],
    );
  });

  it('has no gap wider than what fails', () => {
    const narrow = coreTestGaps.filter(({ missingKernel }) => !missingKernel);
    const passed = results.filter(({ status }) => status === 'passed');
    const passing = passed.filter(({ name }) => narrow.some(({ names }) => names.test(name)));
    assert.deepEqual(lines(passing), []);
  });
});
