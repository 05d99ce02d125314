import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import colors from 'picocolors';
import type { Host } from '../../src/cli/host.ts';
import { main } from '../../src/cli/main.ts';
import { temporaryFolder } from '../corpus/folders.ts';

async function run(...args: string[]) {
  const [out, err]: [string[], string[]] = [[], []];
  const host: Host = {
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
    colors: colors.createColors(false),
    fit: () => Promise.reject(new Error('nothing is trained here')),
    useEngine: () => Promise.reject(new Error('nothing is computed here')),
  };
  return { code: await main(['corpus', ...args], host), stdout: out.join(''), stderr: err.join('') };
}

describe('taustream corpus', () => {
  const folder = temporaryFolder();
  const rows = (count: number) =>
    folder.write(
      'rows.jsonl',
      Array.from({ length: count }, (_, x) => JSON.stringify({ x: [x, 2 * x], label: `class ${x % 3}` })).join('\n'),
    );

  it('info tells format, columns, classes, counts and bytes', async () => {
    const path = rows(30);
    const { code, stdout } = await run('info', path, '--json');
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout), {
      name: 'rows.jsonl',
      format: 'jsonl',
      samples: 30,
      shards: 1,
      bytes: readFileSync(path).length,
      columns: { x: 'float32 [2]', y: 'int32 []' },
      classes: { y: 3 },
      names: { y: ['class 0', 'class 1', 'class 2'] },
    });
    assert.match((await run('info', path)).stdout, /samples +30/);
  });

  it('head prints the first samples', async () => {
    const { stdout } = await run('head', rows(30), '-n', '2');
    assert.equal(stdout, 'rows.jsonl:0  x=[0 0]  y=0\nrows.jsonl:1  x=[1 2]  y=1\n');
  });

  it('pack and verify convert and check, and a flipped byte is named with exit code 1', async () => {
    const out = join(folder.path, 'out');
    assert.equal((await run('pack', rows(300), '--out', out, '--shard-bytes', '4096')).code, 0);
    assert.match((await run('verify', out)).stdout, /300 samples good, 0 bad/);
    const shard = join(out, 'shard-00001.records');
    const bytes = readFileSync(shard);
    bytes[77]! ^= 4;
    writeFileSync(shard, bytes);
    const { code, stdout } = await run('verify', out);
    assert.equal(code, 1);
    assert.match(stdout, /bad .*shard-00001\.records/);
    assert.equal((await run('pack', rows(300), '--out', out)).code, 1, 'a corpus that is there is not replaced');
  });

  it('verify counts bad samples of any format', async () => {
    writeFileSync(rows(5), '{"x":1,"label":0}\n{"x":"?","label":1}\nnot json\n');
    const { code, stdout } = await run('verify', join(folder.path, 'rows.jsonl'), '--format', 'jsonl');
    assert.equal(code, 1);
    assert.match(stdout, /bad .*rows\.jsonl/);
  });

  it('refuses wrong usage with 2, and unknown corpora with 1', async () => {
    assert.equal((await run('info')).code, 2);
    assert.equal((await run('head', 'x', '-n', '0')).code, 2);
    const { code, stderr } = await run('get', 'no-such-corpus');
    assert.equal(code, 1);
    assert.match(stderr, /expected a recipe `no-such-corpus`/);
  });

  it('pack goes on after kill -9', async () => {
    const [path, out] = [rows(60_000), join(folder.path, 'out')];
    const program = fileURLToPath(new URL('../../src/cli/bin.js', import.meta.url));
    const child = spawn(process.execPath, [program, 'corpus', 'pack', path, '--out', out, '--shard-bytes', '65536'], {
      stdio: 'ignore',
    });
    const progress = join(out, '.packing', 'progress.json');
    while (!existsSync(progress) && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.ok(!existsSync(join(out, 'manifest.json')), 'it was killed before its end');
    const kept = JSON.parse(readFileSync(progress, 'utf8')).shards.length;
    assert.ok(kept > 0);
    const { code, stdout } = await run('pack', path, '--out', out, '--shard-bytes', '65536');
    assert.equal(code, 0);
    assert.match(stdout, /60000 samples/);
    assert.match((await run('verify', out)).stdout, /60000 samples good, 0 bad/);
  });
});
