import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { Host } from '../../src/cli/host.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import { OptionsError } from '../../src/errors.ts';
import { loadModel } from '../../src/model/files.ts';
import { readCheckpoint } from '../../src/train/checkpoint.ts';
import { fit } from '../../src/train/fit.ts';
import type { StepRecord } from '../../src/train/step-record.ts';
import { run } from './run-cli.ts';

const letters = new URL('fixtures/letters.ts', import.meta.url).pathname;
const series = new URL('fixtures/series.ts', import.meta.url).pathname;

const json = async (path: string): Promise<Record<string, unknown>> => JSON.parse(await readFile(path, 'utf8'));
const readSteps = async (folder: string): Promise<StepRecord[]> => {
  const lines = (await readFile(join(folder, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line));
};

describe('taustream train', () => {
  let base: string;
  let folder: string;
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'taustream-train-'));
    folder = join(base, 'run');
  });
  afterEach(() => rm(base, { recursive: true }));

  it('tells which bad samples it left out, each once, also when it goes on', async () => {
    const lines = Array.from({ length: 20 }, (_, i) => (i % 2 ? `1\t0\t1\t2\t${i}` : `2\t${i}\t2\t1\t0`));
    [lines[5], lines[12]] = ['1\t0\tone\t2\t3', '1\t0\t1\t2\tfour'];
    const file = join(base, 'slopes.tsv');
    await writeFile(file, lines.join('\n'));
    const train = ['train', series, '--corpus', file, '--checkpoint-steps', '6'];
    const { code, stdout, stderr } = await run([...train, '--out', folder]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /left out .*slopes\.tsv.*bad-samples\.jsonl/);
    assert.match(stdout, /Bad samples left out: 2, see .*bad-samples\.jsonl/);
    const left = async () => (await readFile(join(folder, 'bad-samples.jsonl'), 'utf8')).trimEnd().split('\n');
    const before = await left();
    assert.deepEqual(before.map((line) => /got (\S+)\./.exec(JSON.parse(line).reason)![1]!).toSorted(), [
      '"four"',
      '"one"',
    ]);
    assert.equal((await json(join(folder, 'run.json')))['badSamples'], 2);

    assert.equal((await run([...train, '--resume', folder, '--steps', '20'])).code, 0);
    assert.deepEqual(await left(), before);
  });

  it('trains the pipeline and leaves metrics, model, checkpoint and an account of the run', async () => {
    const { code, stdout, stderr } = await run(['train', letters, '--out', folder]);
    assert.equal(code, 0, stderr);
    const files = (await readdir(folder)).map((name) => name.replace(/^(events\.out\.tfevents)\..*/, '$1'));
    assert.deepEqual(files.toSorted(), [
      'checkpoints',
      'events.out.tfevents',
      'metrics.jsonl',
      'model',
      'run.json',
      'samples.json',
      'scores.jsonl',
    ]);

    const steps = await readSteps(folder);
    assert.deepEqual(
      steps.map(({ step }) => step),
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
    assert.equal(
      Object.keys(steps[0]!).join(' '),
      'step seconds share loss lr phase tau gate ess samplesSeen samplesTrained waitedMs rssBytes',
    );

    const account = await json(join(folder, 'run.json'));
    assert.equal(account['status'], 'finished');
    assert.deepEqual(account['engine'], { name: 'cpu', description: (await useEngine('cpu')).description });
    assert.equal((await readCheckpoint(join(folder, 'checkpoints'))).state['step'], 20);
    assert.match(stdout, /letters: 20 steps .* stopped by its number of steps/);
    assert.match(stdout, /The trained model writes:\n[a-z ]{26}\n/);
    assert.match(stderr, /step 20 100 % \| loss/);
  });

  it('saves the model that it trained, with the files that go with it', async () => {
    await run(['train', letters, '--out', folder, '--quiet']);
    const model = await loadModel(join(folder, 'model'));
    const { tensors } = await readCheckpoint(join(folder, 'checkpoints'));
    for (const weight of model.weights)
      assert.deepEqual(weight.read().dataSync(), tensors[`model/${weight.originalName}`]!.data);
    model.dispose();
    assert.equal((await json(join(folder, 'model', 'vocabulary.json')))['format'], 'taustream-vocabulary');
  });

  it('prints one JSON object on stdout with --json, and nothing with --quiet', async () => {
    const { stdout } = await run(['train', letters, '--out', folder, '--json', '--steps', '3']);
    const summary: Record<string, unknown> = JSON.parse(stdout);
    assert.equal(stdout.split('\n').length, 2);
    assert.deepEqual([summary['steps'], summary['folder'], summary['status']], [3, folder, 'finished']);
    const quiet = await run(['train', letters, '--out', folder, '--quiet', '--steps', '3']);
    assert.deepEqual(quiet, { code: 0, stdout: '', stderr: '' });
  });

  it("puts the command line's word before the pipeline's", async () => {
    await run(['train', letters, '--out', folder, '--quiet', '--epochs', '1', '--scheme', 'uniform', '--seed', '9']);
    const account = await json(join(folder, 'run.json'));
    assert.equal(account['seed'], 9);
    const { steps, epochs, scheme, batchSize } = account['options'] as Record<string, unknown>; // written by run-training
    assert.deepEqual(
      { steps, epochs, scheme, batchSize },
      { steps: undefined, epochs: 1, scheme: 'uniform', batchSize: 8 },
    );
    assert.ok((await readSteps(folder)).every(({ phase }) => phase === 'uniform'));
  });

  it('trains the same way again with the same seed, into another folder', async () => {
    const outcome = async () => {
      const { stdout } = await run(['train', letters, '--out', folder, '--json', '--seed', '4']);
      const summary: Record<string, unknown> = JSON.parse(stdout);
      const losses = (await readSteps(String(summary['folder']))).map(({ loss }) => loss);
      return { folder: summary['folder'], losses, written: summary['written'] };
    };
    const [first, second] = [await outcome(), await outcome()];
    assert.deepEqual(second, { ...first, folder: `${folder}-2` });
  });

  it('finishes the step, saves, sums up and exits with 130 on SIGINT', async () => {
    const interrupted: Partial<Host> = {
      fit: (model, corpus, options) =>
        fit(model, corpus, {
          ...options,
          onStep: async (record, snapshot) => {
            if (record.step === 5) process.emit('SIGINT');
            await options.onStep?.(record, snapshot);
          },
        }),
    };
    const { code, stdout, stderr } = await run(['train', letters, '--out', folder], interrupted);
    assert.equal(code, 130);
    assert.equal((await readSteps(folder)).length, 5);
    assert.equal((await readCheckpoint(join(folder, 'checkpoints'))).state['step'], 5);
    assert.equal((await json(join(folder, 'run.json')))['status'], 'interrupted');
    assert.match(stdout, /letters: 5 steps .* interrupted/);
    assert.match(stderr, /Finishing the step, then saving/);
    assert.equal(process.listenerCount('SIGINT'), 0);
  });

  it('takes checkpoints while it trains', async () => {
    const found: number[] = [];
    const watched: Partial<Host> = {
      fit: (model, corpus, options) =>
        fit(model, corpus, {
          ...options,
          onStep: async (record, snapshot) => {
            await options.onStep?.(record, snapshot);
            const names = await readdir(join(folder, 'checkpoints')).catch(() => []);
            found.push(names.filter((name) => name.startsWith('step-')).length);
          },
        }),
    };
    await run(['train', letters, '--out', folder, '--quiet', '--checkpoint-every', '0.001', '--steps', '40'], watched);
    assert.ok(
      found.some((count) => count > 0),
      'one was there before the end',
    );
    assert.ok(Math.max(...found) <= 3, 'old ones are removed once a new one stands');
    assert.equal((await readdir(join(folder, 'checkpoints'))).length, 2);
  });

  it('says in a line why a run failed, and in run.json', async () => {
    const failing: Partial<Host> = {
      fit: async () => {
        throw new OptionsError('fit(): expected a, got b. Do c.');
      },
    };
    const { code, stdout, stderr } = await run(['train', letters, '--out', folder], failing);
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /\ntaustream: fit\(\): expected a, got b\. Do c\.\n$/);
    const account = await json(join(folder, 'run.json'));
    assert.deepEqual([account['status'], account['error']], ['failed', 'fit(): expected a, got b. Do c.']);
  });

  it('shows the stack of an error that nobody expected', async () => {
    const broken: Partial<Host> = {
      fit: async () => {
        throw new RangeError('a bug');
      },
    };
    assert.match((await run(['train', letters, '--out', folder], broken)).stderr, /RangeError: a bug\n +at /);
  });

  it('leaves no tensor behind', async () => {
    await useEngine('cpu');
    const before = tf.memory().numTensors;
    await run(['train', letters, '--out', folder, '--quiet']);
    assert.equal(tf.memory().numTensors, before);
  });
});

describe('main', () => {
  it('exits with 2 and says why when it is used wrongly', async () => {
    const wrong: [string[], RegExp][] = [
      [[], /Usage: taustream/],
      [['trian', 'x'], /unknown command 'trian'/],
      [['train'], /missing required argument 'FILE'/],
      [['train', 'x', '--stpes', '3'], /unknown option '--stpes'/],
      [['train', 'x', '--steps', '0'], /Expected a whole number from 1 on/],
      [['train', 'x', '--steps', '1.5'], /Expected a whole number/],
      [['train', 'x', '--seconds', '-1'], /Expected a number above 0/],
      [['train', 'x', '--engine', 'abacus'], /Allowed choices are tensorflow/],
    ];
    for (const [args, message] of wrong) {
      const { code, stdout, stderr } = await run(args);
      assert.deepEqual([code, stdout], [2, ''], args.join(' '));
      assert.match(stderr, message);
    }
  });

  it('answers --help and --version on stdout', async () => {
    assert.match((await run(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
    const { code, stdout } = await run(['train', '--help']);
    assert.equal(code, 0);
    assert.match(stdout, /--checkpoint-every/);
  });

  it('names what is wrong with a pipeline file', async () => {
    const base = await mkdtemp(join(tmpdir(), 'taustream-file-'));
    const refused = async (name: string, text: string | undefined, message: RegExp) => {
      const path = join(base, name);
      if (text !== undefined) await writeFile(path, text);
      const { code, stderr } = await run(['train', path]);
      assert.equal(code, 1);
      assert.match(stderr, message);
      assert.equal(stderr.trimEnd().split('\n').length, 1);
    };
    await refused('nowhere.ts', undefined, /nowhere\.ts: expected a pipeline file, found none/);
    await refused(
      'none.mts',
      'export const a = 1;',
      /none\.mts: expected `export default definePipeline.*got no default export/,
    );
    await refused('other.mts', 'export default { name: "x" };', /got a default export of another kind \(object\)/);
    await refused(
      'throws.mts',
      'const a = 1;\nthrow new Error("no such thing");',
      /throws\.mts:2: cannot be loaded: no such thing/,
    );
    await refused('syntax.mts', 'export default {', /syntax\.mts.*cannot be loaded: /);
    await refused('import.mts', 'import "./missing.ts";', /import\.mts.*cannot be loaded: Cannot find module/);
    await rm(base, { recursive: true });
  });
});
