import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { definePipeline, isPipeline, unlimitedFitOptions } from '../src/pipeline.ts';
import type { Corpus } from '../src/stream/sample.ts';

const corpus: Corpus = {
  name: 'nothing',
  schema: { x: { type: 'float32', shape: [1] }, y: { type: 'float32', shape: [1] } },
  length: 0,
  async *samples() {},
};
const engine = { name: 'cpu', description: '', compile: <Step>(step: Step) => step } as const;
const context = { seed: 3, engine };
const linear = () => tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] });
const definition = { name: 'line', corpus: () => ({ train: corpus }), model: linear, loss: 'meanSquaredError' };
/** What a JavaScript user may write, whatever the types say. */
const defineAnything = (value: object) => definePipeline({ ...definition, ...value });

const build = async (optimizer: Parameters<typeof definePipeline>[0]['optimizer']) => {
  const model = await definePipeline({ ...definition, ...(optimizer && { optimizer }) }).buildModel({
    ...context,
    corpus: { train: corpus },
  });
  model.dispose();
  return model;
};

const compiled = () => {
  const model = linear();
  model.compile({ optimizer: 'sgd', loss: 'meanAbsoluteError' });
  return model;
};

const refused = (value: object, message: RegExp, code = 'ERR_OPTIONS') =>
  assert.throws(() => defineAnything(value), { code, message });

const refusedLater = (value: object, message: RegExp) =>
  assert.rejects(
    async () => {
      const pipeline = defineAnything(value);
      await pipeline.buildModel({ ...context, corpus: await pipeline.openCorpus(context) });
    },
    { code: 'ERR_PIPELINE', message },
  );

describe('definePipeline', () => {
  it('refuses data in place of its own where it does not look at them', async () => {
    const given = { ...context, corpusPath: 'my-texts' };
    await assert.rejects(definePipeline(definition).openCorpus(given), {
      code: 'ERR_PIPELINE',
      message: /expected `corpus` to open the data at `my-texts`, got one that opens its own/,
    });
    const paths: unknown[] = [];
    const looking = definePipeline({
      ...definition,
      corpus: ({ corpusPath = 'its own', seed }) => {
        paths.push(corpusPath, seed);
        return { train: corpus };
      },
    });
    assert.equal((await looking.openCorpus(given)).train, corpus);
    assert.equal((await looking.openCorpus(context)).train, corpus);
    assert.deepEqual(paths, ['my-texts', 3, 'its own', 3]);
  });

  it('hands what the corpus gives on to the model, and both to what the model writes', async () => {
    await tf.setBackend('cpu');
    const pipeline = definePipeline({
      ...definition,
      corpus: ({ seed }) => ({ train: corpus, vocabulary: ['a', 'b', seed] }),
      model: ({ corpus: { vocabulary } }) =>
        tf.sequential({ layers: [tf.layers.dense({ units: vocabulary.length, inputShape: [1] })] }),
      writes: ({ corpus: { vocabulary }, model }) => `${vocabulary.join('')} ${model.outputs[0]!.shape.join()}`,
    });
    const opened = await pipeline.openCorpus(context);
    const model = await pipeline.buildModel({ ...context, corpus: opened });
    assert.equal(await pipeline.writes!({ ...context, corpus: opened, model, folder: 'runs' }), 'ab3 ,3');
    model.dispose();
  });

  it('compiles the model with the loss, and the optimizer by name and learning rate', async () => {
    assert.equal((await build(undefined)).optimizer.getClassName(), 'Adam');
    assert.equal((await build('sgd')).optimizer.getClassName(), 'SGD');
    assert.equal((await build({ name: 'rmsprop', learningRate: 0.25 })).optimizer.getConfig()['learningRate'], 0.25);
    assert.equal((await build(() => tf.train.adagrad(0.5))).optimizer.getConfig()['learningRate'], 0.5);
    assert.equal((await build('sgd')).loss, 'meanSquaredError');
  });

  it('leaves a compiled model as it is, and asks for a loss where there is none', async () => {
    const { loss: _, ...lossless } = definition;
    const model = await definePipeline({ ...lossless, model: compiled }).buildModel({
      ...context,
      corpus: { train: corpus },
    });
    assert.equal(model.loss, 'meanAbsoluteError');
    await assert.rejects(definePipeline(lossless).buildModel({ ...context, corpus: { train: corpus } }), {
      code: 'ERR_PIPELINE',
      message: /expected a `loss`, or a compiled model/,
    });
  });

  it('knows the options of fit, leaves their defaults to it and to its modes, and refuses others', () => {
    assert.equal(definePipeline(definition).options.presampleSize, undefined);
    assert.equal(definePipeline({ ...definition, presampleSize: 320 }).options.presampleSize, 320);
    refused({ batchsize: 8 }, /batchsize/);
    refused({ name: '../x' }, /`name` must be letters/);
    refused({ batchSize: 10, presampleSize: 9 }, /`batchSize` must be at most `presampleSize`/);
    refused({ seconds: -1 }, /`seconds`/);
    refused({ engine: 'abacus' }, /`engine`/);
    refused({ optimizer: { name: 'adam', rate: 1 } }, /optimizer: .*rate/);
    refused({ optimizer: 'adma' }, /optimizer: `name`/);
    refused({ learningRate: { kind: 'cosine', rate: 0 } }, /learningRate/);
    refused({ scheme: 'no-such-scheme' }, /no-such-scheme/);
    refused(
      { corpus: undefined },
      /expected `corpus` to be a function that opens what is trained on, got nothing/,
      'ERR_PIPELINE',
    );
    refused(
      { model: 7 },
      /expected `model` to be a function that builds a tf\.LayersModel, got the number 7/,
      'ERR_PIPELINE',
    );
    refused({ writes: 'Ahab' }, /expected `writes` to be a function/, 'ERR_PIPELINE');
  });

  it('says so when corpus, model or optimizer give something else', async () => {
    await refusedLater({ corpus: () => {} }, /expected `corpus\(\)` to give a corpus as `train`, got nothing/);
    await refusedLater({ corpus: () => corpus }, /as `train`, got nothing/);
    await refusedLater(
      { corpus: () => ({ train: corpus, validation: [] }) },
      /as `validation`, got an object of Array/,
    );
    await refusedLater(
      { model: () => 'LSTM' },
      /expected `model\(\)` to give a tf\.LayersModel, got the string "LSTM"/,
    );
    await refusedLater({ optimizer: () => 'adam' }, /expected `optimizer\(\)` to give a tf\.Optimizer, got string/);
  });
});

describe('isPipeline', () => {
  it('knows pipelines from other objects', () => {
    assert.ok(isPipeline(definePipeline(definition)));
    for (const other of [definition, null, undefined, 'pipeline']) assert.ok(!isPipeline(other));
  });
});

describe('unlimitedFitOptions', () => {
  it('is what a pipeline says to fit, without its limits, and fills nothing in', () => {
    const limits = { steps: 3, seconds: 5, epochs: 7 };
    const pipeline = defineAnything({ ...limits, engine: 'cpu', batchSize: 4, scheme: 'loss', learningRate: 0.5 });
    assert.deepEqual(unlimitedFitOptions(pipeline), { seed: 0, batchSize: 4, scheme: 'loss', learningRate: 0.5 });
    assert.equal(pipeline.options.steps, 3, 'the pipeline keeps its own');
  });
});
