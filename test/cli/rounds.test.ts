import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadModel } from '../../src/model/files.ts';
import { imageDetails } from '../../src/model/pretrained/image-details.ts';
import { fit } from '../../src/train/fit.ts';
import { run } from './run-cli.ts';

const pipeline = fileURLToPath(new URL('fixtures/rounds.ts', import.meta.url));
const linesOf = async (folder: string) =>
  (await readFile(join(folder, 'metrics.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('taustream train, in rounds', () => {
  let folder: string;
  const at = (name: string) => join(folder, name);
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'taustream-rounds-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('trains on other data than its own, and keeps the classes in the model', async () => {
    const { code, stdout, stderr } = await run(['train', pipeline, '--corpus', '20', '--out', at('run'), '--json']);
    assert.equal(code, 0, stderr);
    const summary = JSON.parse(stdout);
    assert.deepEqual([summary.steps, summary.written], [12, 'done']);
    assert.equal(await readFile(join(at('run'), 'note.txt'), 'utf8'), 'kept');
    const record = JSON.parse(await readFile(join(at('run'), 'run.json'), 'utf8'));
    assert.deepEqual([record.corpus.samples, record.options.corpus], [20, '20']);
    const model = await loadModel(join(at('run'), 'model'));
    assert.deepEqual(imageDetails(model).classNames, ['red', 'green', 'blue']);
    model.dispose();
  });

  it('goes on in the round in which it was killed, to the same weights', async () => {
    assert.equal((await run(['train', pipeline, '--out', at('whole'), '--quiet'])).code, 0);
    const dies: typeof fit = (model, corpus, options) =>
      fit(model, corpus, {
        ...options,
        onStep: async (record, snapshot) => {
          await options.onStep?.(record, snapshot);
          if (record.step === 9) throw new Error('the power went');
        },
      });
    const args = ['train', pipeline, '--checkpoint-steps', '4', '--quiet'];
    await run([...args, '--out', at('part')], { fit: dies });
    const { code, stderr } = await run([...args, '--resume', at('part')]);
    assert.equal(code, 0, stderr);
    const [whole, part] = [await linesOf(at('whole')), await linesOf(at('part'))];
    assert.deepEqual(
      part.map(({ step, loss }) => [step, loss]),
      whole.map(({ step, loss }) => [step, loss]),
    );
    const weights = await Promise.all(
      ['whole', 'part'].map(async (name) => {
        const model = await loadModel(join(at(name), 'model'));
        const values = model.getWeights().map((weight) => [...weight.dataSync()]);
        model.dispose();
        return values;
      }),
    );
    assert.deepEqual(weights[0], weights[1]);
  });
});
