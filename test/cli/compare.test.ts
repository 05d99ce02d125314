import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import colors from 'picocolors';
import type { Host } from '../../src/cli/host.ts';
import { main } from '../../src/cli/main.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import type { Comparison } from '../../src/report/compare/compare.ts';
import { fit } from '../../src/train/fit.ts';

const letters = new URL('fixtures/letters.ts', import.meta.url).pathname;

/** Runs one command line in this process, on the plain JavaScript engine. */
async function run(...args: string[]) {
  const [out, err]: [string[], string[]] = [[], []];
  const host: Host = {
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
    colors: colors.createColors(false),
    fit,
    useEngine: () => useEngine('cpu'),
  };
  const code = await main(args, host);
  return { code, stdout: out.join(''), stderr: err.join('') };
}

describe('taustream compare', () => {
  let base: string;
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'taustream-compare-'));
  });
  afterEach(() => rm(base, { recursive: true }));

  it('prints the table and the verdict, and writes data and page', async () => {
    const folder = join(base, 'out');
    const { code, stdout, stderr } = await run(
      'compare',
      letters,
      '--schemes',
      'uniform,upper-bound:fast',
      '--steps',
      '8',
      '--seeds',
      '2',
      '--clock',
      'processor',
      '--out',
      folder,
    );
    assert.equal(code, 0, stderr);
    assert.match(stdout, /scheme +\S.* train loss +steps +open +τ +against the first/);
    assert.match(stdout, /At 8 steps, compared with uniform in .*: upper-bound:fast is /);
    assert.deepEqual((await readdir(folder)).toSorted(), ['comparison.html', 'comparison.json']);
    const written = JSON.parse(await readFile(join(folder, 'comparison.json'), 'utf8')) as Comparison;
    assert.equal(written.runs.length, 4);
    assert.equal(stderr.match(/8 steps in /g)!.length, 4);
  });

  it('prints one JSON object and nothing else with --json', async () => {
    const { stdout } = await run(
      'compare',
      letters,
      '--schemes',
      'uniform',
      '--steps',
      '3',
      '--seeds',
      '1',
      '--json',
      '--quiet',
      '--out',
      join(base, 'out'),
    );
    assert.equal((JSON.parse(stdout) as Comparison).runs[0]!.summary.steps, 3);
  });

  it('refuses unknown schemes with 1 and wrong usage with 2, and leaves no folder', async () => {
    const folder = join(base, 'out');
    const unknown = await run('compare', letters, '--schemes', 'uniform,unifrom', '--steps', '3', '--out', folder);
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /expected one of uniform, loss, upper-bound.* got `unifrom`/);
    assert.equal((await run('compare', letters, '--seeds', '0')).code, 2);
    const both = await run('compare', letters, '--steps', '3', '--seconds', '3', '--out', folder);
    assert.equal(both.code, 1);
    assert.match(both.stderr, /not both/);
    assert.deepEqual(await readdir(base), []);
  });
});

describe('taustream advise', () => {
  it('says whether importance sampling would pay', async () => {
    const { code, stdout, stderr } = await run('advise', letters, '--seconds', '0.3');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^Drawing by scores (may|would hardly|would not) pay/);
    const { stdout: data } = await run('advise', letters, '--seconds', '0.2', '--json');
    assert.ok((JSON.parse(data) as { scoreMs: number }).scoreMs > 0);
  });
});

describe('taustream train --mode', () => {
  it('takes the mode’s options where the pipeline leaves them open', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'taustream-mode-'));
    try {
      const { code, stderr } = await run('train', letters, '--mode', 'fast', '--quiet', '--out', join(folder, 'run'));
      assert.equal(code, 0, stderr);
      const account = JSON.parse(await readFile(join(folder, 'run', 'run.json'), 'utf8')) as {
        options: { mode: string };
      };
      assert.equal(account.options.mode, 'fast');
      assert.equal((await run('train', letters, '--mode', 'quick')).code, 2);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
