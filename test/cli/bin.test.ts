import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const bin = fileURLToPath(new URL('../../src/cli/bin.js', import.meta.url));
const modules = fileURLToPath(new URL('../../node_modules', import.meta.url));

/** A pipeline of a user's own: tfjs and taustream by name, from a folder outside of the clone. */
const pipeline = `
import * as tf from '@tensorflow/tfjs';
import { definePipeline } from 'taustream';
console.log('a line that a pipeline file logs');
const sample = (i: number) => ({ id: String(i), x: [i % 7], y: [3 * (i % 7) + 1] });
const corpus = {
  name: 'line',
  schema: { x: { type: 'float32', shape: [1] }, y: { type: 'float32', shape: [1] } },
  length: 100,
  async *samples() { for (let i = 0; ; i++) yield sample(i); },
} as const;
export default definePipeline({
  name: 'line',
  engine: 'cpu',
  corpus: () => ({ train: corpus }),
  model: () => tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] }),
  loss: 'meanSquaredError',
  batchSize: 4,
  presampleSize: 12,
  seconds: 60,
});
`;

describe('bin.js', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'taustream-bin-'));
    await writeFile(join(folder, 'line.ts'), pipeline);
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    await symlink(modules, join(folder, 'node_modules'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** @param onStderr called with what came so far */
  function start(
    args: string[],
    onStderr: (text: string, kill: (signal: NodeJS.Signals) => number) => void = () => {},
  ) {
    const child = spawn(process.execPath, [bin, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
      onStderr(stderr, (signal) => Number(child.kill(signal)));
    });
    return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve({ code, stdout, stderr }));
    });
  }

  it("runs a user's own TypeScript file from a clone, and keeps stdout for the summary", async () => {
    const { code, stdout, stderr } = await start(['train', 'line.ts', '--steps', '5', '--json']);
    assert.equal(code, 0, stderr);
    const summary: Record<string, unknown> = JSON.parse(stdout);
    assert.equal(summary['steps'], 5);
    assert.equal(summary['folder'], join('runs', 'line'));
    assert.match(stderr, /a line that a pipeline file logs/);
  });

  it('runs a file of a package that is CommonJS, and knows typed errors that come from it', async () => {
    await writeFile(join(folder, 'package.json'), '{}');
    const { code, stdout, stderr } = await start(['train', 'line.ts', '--steps', '5', '--json']);
    assert.equal(code, 0, stderr);
    assert.equal((JSON.parse(stdout) as Record<string, unknown>)['steps'], 5);
    await writeFile(join(folder, 'wrong.ts'), pipeline.replace('batchSize: 4', 'batchSize: 0'));
    const wrong = await start(['train', 'wrong.ts']);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /^taustream: definePipeline\(\): `batchSize` .*\n$/m);
  });

  for (const [signal, expected] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)
    it(`saves and exits with ${expected} on ${signal}`, async () => {
      let sent = false;
      const { code, stdout, stderr } = await start(['train', 'line.ts', '--json'], (text, kill) => {
        if (sent || !/step \d/.test(text)) return;
        sent = true;
        kill(signal);
      });
      assert.equal(code, expected, stderr);
      const summary: Record<string, unknown> = JSON.parse(stdout);
      assert.deepEqual([summary['status'], summary['stoppedBy']], ['interrupted', 'signal']);
      const lines = (await readFile(join(folder, 'runs', 'line', 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
      assert.equal(lines.length, summary['steps']);
    });

  it('leaves at once on a second signal', async () => {
    const stuck = pipeline.replace(
      "name: 'line',\n  engine",
      "name: 'line', writes: () => new Promise<string>(() => setInterval(() => {}, 1000)),\n  engine",
    );
    await writeFile(join(folder, 'stuck.ts'), stuck);
    let sent = 0;
    const { code, stdout } = await start(['train', 'stuck.ts', '--json'], (text, kill) => {
      if (sent === 0 && /step \d/.test(text)) sent = kill('SIGINT');
      if (sent === 1 && text.includes('Finishing the step')) sent = kill('SIGINT') + 1;
    });
    assert.deepEqual([code, stdout], [130, '']);
  });

  it('leaves quietly when it is stopped before there is anything to save', async () => {
    const waiting = pipeline.replace(
      'corpus: () => ({ train: corpus })',
      'corpus: async ({ signal }) => { console.log("opening"); await new Promise((go) => signal!.addEventListener("abort", go)); return { train: corpus }; }',
    );
    await writeFile(join(folder, 'waiting.ts'), `${waiting}\nsetInterval(() => {}, 1000); // never cleared`);
    const { code, stdout, stderr } = await start(['train', 'waiting.ts', '--json'], (text, kill) => {
      if (text.endsWith('opening\n')) kill('SIGINT');
    });
    assert.deepEqual([code, stdout], [130, ''], stderr);
    assert.doesNotMatch(stderr, /Error|^ +at /m);
  });
});
