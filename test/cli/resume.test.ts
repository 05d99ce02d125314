import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Host } from '../../src/cli/host.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import { createRng } from '../../src/stream/random.ts';
import { readCheckpoint } from '../../src/train/checkpoint.ts';
import { fit } from '../../src/train/fit.ts';
import { run } from './run-cli.ts';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const [bin, gated] = [path('../../src/cli/bin.js'), path('fixtures/gated.ts')];

/** Kills in the test of kills; more make it thorough: TAUSTREAM_KILLS=20. */
const kills = Number(process.env['TAUSTREAM_KILLS'] ?? 2);

/** What was trained on and what came of it. The clock's share of the metrics differs from run to run. */
async function resultOf(folder: string) {
  const lines = async (name: string): Promise<Record<string, unknown>[]> =>
    (await readFile(join(folder, name), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  const { tensors, state } = await readCheckpoint(join(folder, 'checkpoints'));
  const { seconds: _seconds, costs: _costs, account: _account, ...kept } = state;
  return {
    ids: await lines('ids.jsonl'),
    steps: (await lines('metrics.jsonl')).map(({ step, loss, lr, phase, tau, samplesSeen }) => [
      step,
      loss,
      lr,
      phase,
      tau,
      samplesSeen,
    ]),
    tensors,
    kept,
    weights: await readFile(join(folder, 'model', 'weights.bin')),
  };
}

describe('taustream train --resume', () => {
  let base: string;
  let folder: string;
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'taustream-resume-'));
    folder = join(base, 'run');
  });
  afterEach(() => rm(base, { recursive: true }));

  const quiet = ['--record-ids', '--quiet'];
  const json = async (name: string): Promise<Record<string, unknown>> =>
    JSON.parse(await readFile(join(folder, name), 'utf8'));

  it('comes to the same batches and, bit for bit, the same parameters as a run that was never stopped', async () => {
    await run(['train', gated, '--steps', '40', '--out', join(base, 'whole'), ...quiet]);
    // The power fails in step 23.
    const failing: Host['fit'] = (model, corpus, options) =>
      fit(model, corpus, {
        ...options,
        onMinibatch: (batch) => {
          options.onMinibatch?.(batch);
          if (batch.version === 22) throw new Error('the power is gone');
        },
      });
    const args = ['train', gated, '--steps', '40', '--checkpoint-steps', '10'];
    assert.equal((await run([...args, '--out', folder, ...quiet], { fit: failing })).code, 1);
    const { code, stderr } = await run(['train', gated, '--resume', folder, '--record-ids']);
    assert.equal(code, 0, stderr);
    assert.match(
      stderr,
      /resume {3}after step (10|20)/ /* a checkpoint that is due while one is being written waits for it */,
    );
    assert.deepEqual(await resultOf(folder), await resultOf(join(base, 'whole')));
    const account = await json('run.json');
    assert.equal(account['status'], 'finished');
    assert.equal((account['resumed'] as { step: number }[]).length, 1);
    assert.ok(
      (await resultOf(folder)).steps.some(([, , , phase]) => phase === 'importance'),
      'the gate has opened',
    );
    assert.equal((account['summary'] as { steps: number }).steps, 40);
  });

  it('goes on with a run that scores in a process of its own, and says what differs when it is to score elsewhere', async () => {
    const place = ['--score-where', 'process', '--score-ahead', '1'];
    const args = ['train', gated, '--steps', '30', '--checkpoint-steps', '10', ...place];
    assert.equal((await run([...args, '--out', join(base, 'whole'), ...quiet])).code, 0);
    const failing: Host['fit'] = (model, corpus, options) =>
      fit(model, corpus, {
        ...options,
        onStep: async (record, snapshot) => {
          await options.onStep?.(record, snapshot);
          if (record.step === 23) throw new Error('the power is gone');
        },
      });
    assert.equal((await run([...args, '--out', folder, ...quiet], { fit: failing })).code, 1);
    assert.deepEqual((await json('run.json'))['options'], {
      ...((await json('run.json'))['options'] as object),
      score: { where: 'process', ahead: 1 },
    });
    const other = await run(['train', gated, '--resume', folder, ...quiet]);
    assert.equal(other.code, 1);
    assert.match(other.stderr, /`score` \{"where":"process","ahead":1\} is now unset/);
    const { code, stderr } = await run(['train', gated, '--resume', folder, '--record-ids', ...place]);
    assert.equal(code, 0, stderr);
    assert.deepEqual(await resultOf(folder), await resultOf(join(base, 'whole')));
    const lines = (await readFile(join(folder, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
    assert.ok(lines.some((line) => (JSON.parse(line) as { age?: number }).age === 1));
  });

  it('has on disk, when a checkpoint is, every line up to its step', async () => {
    const seen: { checkpoints: number[]; lines: number }[] = [];
    const looking: Host['fit'] = (model, corpus, options) =>
      fit(model, corpus, {
        ...options,
        onMinibatch: (batch) => {
          options.onMinibatch?.(batch);
          const names = existsSync(join(folder, 'checkpoints')) ? readdirSync(join(folder, 'checkpoints')) : [];
          const checkpoints = names.flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? []).map(Number);
          const lines = readFileSync(join(folder, 'ids.jsonl'), 'utf8').split('\n').length - 1;
          seen.push({ checkpoints, lines });
        },
      });
    await run(['train', gated, '--steps', '200', '--checkpoint-steps', '3', '--out', folder, ...quiet], {
      fit: looking,
    });
    const withSome = seen.filter(({ checkpoints }) => checkpoints.length > 0);
    assert.ok(withSome.length > 0, 'checkpoints are seen while it trains');
    for (const { checkpoints, lines } of withSome) assert.ok(lines >= Math.max(...checkpoints));
  });

  it(`loses nothing but the steps since the last checkpoint when it is killed ${kills} times at random moments`, async function () {
    this.timeout(30_000 * (kills + 2));
    const args = ['train', gated, '--steps', '150', '--checkpoint-steps', '5', '--record-ids'];
    const start = (more: string[]) =>
      spawn(process.execPath, [bin, ...args, ...more], { stdio: ['ignore', 'ignore', 'pipe'] });
    const ended = async (child: ReturnType<typeof start>) => {
      let said = '';
      child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
      const code = await new Promise((resolve) => child.on('close', resolve));
      return { code, said };
    };
    const whole = await ended(start(['--out', join(base, 'whole')]));
    assert.equal(whole.code, 0, whole.said);
    const rng = createRng(20, 'kills');
    let killed = 0;
    const from: number[] = [];
    for (let first = true; ; first = false) {
      const child = start(first ? ['--out', folder] : ['--resume', folder]);
      if (killed < kills)
        child.stderr.on('data', (chunk: Buffer) => {
          // From the folder being made to well into training.
          if (/run {6}/.test(chunk.toString())) setTimeout(() => child.kill('SIGKILL'), 500 * rng.uniform());
        });
      const { code, said } = await ended(child);
      from.push(Number(/after step (\d+)/.exec(said)?.[1] ?? 0));
      if (code === 0) break;
      assert.equal(child.signalCode, 'SIGKILL', said);
      killed += 1;
    }
    assert.equal(killed, kills, `ended early: went on after steps ${from.join(', ')}`);
    assert.deepEqual(await resultOf(folder), await resultOf(join(base, 'whole')));
  });

  it('begins anew in the same folder when it was stopped before its first checkpoint', async () => {
    await run(['train', gated, '--out', folder, ...quiet]);
    await cp(folder, join(base, 'whole'), { recursive: true });
    await rm(join(folder, 'checkpoints'), { recursive: true });
    const { code, stderr } = await run(['train', gated, '--resume', folder, ...quiet]);
    assert.equal(code, 0, stderr);
    assert.deepEqual(await resultOf(folder), await resultOf(join(base, 'whole')));
  });

  it('goes on from the checkpoint before, and says so, when the last one has a flipped byte', async () => {
    await run(['train', gated, '--out', join(base, 'whole'), ...quiet]);
    await run(['train', gated, '--checkpoint-steps', '6', '--out', folder, ...quiet]);
    const [before, last] = (await readdir(join(folder, 'checkpoints'))).toSorted();
    const tensors = join(folder, 'checkpoints', last!, 'tensors.safetensors');
    const bytes = await readFile(tensors);
    bytes[bytes.length - 9]! ^= 4;
    await writeFile(tensors, bytes);
    const { code, stderr } = await run(['train', gated, '--resume', folder, '--record-ids']);
    assert.equal(code, 0, stderr);
    assert.match(stderr, new RegExp(`damaged {2}.*${last!}.*expected the sha256`));
    assert.match(stderr, new RegExp(`after step ${Number(before!.slice(5))}\n`));
    assert.deepEqual(await resultOf(folder), await resultOf(join(base, 'whole')));
  });

  it('goes on to a later end when it is given one', async () => {
    await run(['train', gated, '--out', folder, ...quiet]);
    assert.equal((await run(['train', gated, '--resume', folder, '--steps', '50', ...quiet])).code, 0);
    assert.equal((await resultOf(folder)).steps.length, 50);
  });

  it('cuts off half a line that a kill left behind', async () => {
    await run(['train', gated, '--out', folder, ...quiet]);
    await writeFile(join(folder, 'metrics.jsonl'), '{"step":41,"lo', { flag: 'a' });
    await run(['train', gated, '--resume', folder, '--steps', '42', ...quiet]);
    assert.deepEqual(
      (await resultOf(folder)).steps.map(([step]) => step),
      Array.from({ length: 42 }, (_, i) => i + 1),
    );
  });

  it('goes on with the engine that it began on, unless another is named, and then says so', async () => {
    await run(['train', gated, '--steps', '3', '--out', folder, ...quiet]);
    const asked: string[] = [];
    const useNamed: Host['useEngine'] = (name) => {
      asked.push(name);
      return useEngine(name);
    };
    const goOn = (steps: string, ...more: string[]) =>
      run(['train', gated, '--resume', folder, '--steps', steps, ...more], { useEngine: useNamed });
    const same = await goOn('5');
    assert.equal(same.code, 0, same.stderr);
    assert.doesNotMatch(same.stderr, /the run began on/);
    const other = await goOn('7', '--engine', 'wasm');
    assert.match(other.stderr, /engine {3}the run began on cpu: the same batches, but not the same parameters/);
    assert.equal((await goOn('9')).code, 0);
    assert.deepEqual(asked, ['cpu', 'wasm', 'wasm']);
  });

  describe('refuses', () => {
    beforeEach(() => run(['train', gated, '--steps', '3', '--out', folder, ...quiet]));
    const change = async (changes: Record<string, unknown>) =>
      writeFile(join(folder, 'run.json'), JSON.stringify({ ...(await json('run.json')), ...changes }));
    const refused = async (expected: RegExp, more: string[] = []) => {
      const before = await readFile(join(folder, 'metrics.jsonl'), 'utf8');
      const { code, stderr } = await run(['train', gated, '--resume', folder, '--steps', '9', ...quiet, ...more]);
      assert.equal(code, 1);
      assert.match(stderr, expected);
      assert.equal(await readFile(join(folder, 'metrics.jsonl'), 'utf8'), before, 'nothing is touched');
    };

    it('a run of another pipeline', async () => {
      await change({ name: 'moby-dick' });
      await refused(/expected a run of pipeline `gated`, got `moby-dick`/);
    });

    it('a run of another version', async () => {
      await change({ versions: { taustream: '9.4.0' } });
      await refused(/expected a run of taustream .*, got 9\.4\.0/);
    });

    it('a run folder of another layout', async () => {
      await change({ format: 99 });
      await refused(/expected the account of a run of this version \(format 1\)/);
    });

    it('another seed, scheme or size', async () => {
      await refused(/`seed` 0 is now 5/, ['--seed', '5']);
      await refused(/`scheme` "upper-bound" is now "uniform"/, ['--scheme', 'uniform']);
    });

    it('a run that is still going', async () => {
      await change({ status: 'running', process: { pid: process.ppid, host: hostname() } });
      await refused(new RegExp(`one that process ${process.ppid} is at`));
    });

    it('a run whose checkpoints are all damaged', async () => {
      for (const name of await readdir(join(folder, 'checkpoints')))
        await writeFile(join(folder, 'checkpoints', name, 'state.msgpack'), 'x');
      await refused(/each of the \d checkpoints is damaged/);
    });

    it('a folder that is no run', async () => {
      const { code, stderr } = await run(['train', gated, '--resume', join(base, 'nowhere')]);
      assert.equal(code, 1);
      assert.match(stderr, /nowhere.run\.json: expected the account of a run, found none/);
    });
  });
});
