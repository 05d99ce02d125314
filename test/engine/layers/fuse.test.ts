import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { fuse } from '../../../src/engine/layers/fuse.ts';
import { useEngine } from '../../../src/engine/use-engine.ts';

const [batch, steps, features, units] = [3, 5, 4, 6] as const;
const sequence = () => tf.input({ shape: [steps, features] });
const seeded = (seed: number) => tf.initializers.glorotUniform({ seed });
const weights = (seed: number) => ({
  kernelInitializer: seeded(seed),
  recurrentInitializer: seeded(seed + 1),
  biasInitializer: tf.initializers.randomUniform({ seed: seed + 2, minval: -0.5, maxval: 0.5 }),
});
type Arguments = Parameters<typeof tf.layers.lstm>[0];

/** One recurrent layer of each kind and option that can be fused, each behind its inputs. */
const layer = (kind: 'lstm' | 'gru', options: Partial<Arguments> = {}) =>
  tf.layers[kind]({ units, recurrentActivation: 'sigmoid', ...weights(11), ...options });

const chain = (...layers: ReturnType<typeof layer>[]) => {
  const x = sequence();
  const y = layers.reduce<tf.SymbolicTensor | tf.SymbolicTensor[]>(
    (input, next) => next.apply(input) as tf.SymbolicTensor,
    x,
  );
  return tf.model({ inputs: x, outputs: y });
};

const models: Record<string, (kind: 'lstm' | 'gru') => tf.LayersModel> = {
  'the last output': (kind) => chain(layer(kind)),
  'all outputs': (kind) => chain(layer(kind, { returnSequences: true })),
  'hard sigmoid gates': (kind) => chain(layer(kind, { recurrentActivation: 'hardSigmoid', returnSequences: true })),
  'no bias': (kind) => chain(layer(kind, { useBias: false })),
  backwards: (kind) => chain(layer(kind, { goBackwards: true, returnSequences: true })),
  states: (kind) => chain(layer(kind, { returnState: true, returnSequences: true })),
  'a stack': (kind) => chain(layer(kind, { returnSequences: true }), layer(kind, { units: 7, ...weights(31) })),
  'both directions': (kind) => {
    const x = sequence();
    const both = tf.layers.bidirectional({ layer: layer(kind, { returnSequences: true }), mergeMode: 'concat' });
    return tf.model({ inputs: x, outputs: both.apply(x) as tf.SymbolicTensor });
  },
};

const sequences = () => [tf.randomUniform([batch, steps, features], -1, 1, 'float32', 40)];

/** A mask without step 2 of sample 0 and steps 0 and 4 of sample 1. */
function keptSteps(): tf.Tensor {
  const keep = tf.buffer([batch, steps], 'bool', new Uint8Array(batch * steps).fill(1));
  for (const [b, t] of [
    [0, 2],
    [1, 0],
    [1, 4],
  ] as const)
    keep.set(false, b, t);
  return keep.toTensor();
}

const weigh = (y: tf.Tensor, i: number) => y.mul(tf.randomUniform(y.shape, -1, 1, 'float32', 70 + i)).sum();

type Apply = (inputs: tf.Tensor[]) => tf.Tensor[];
const applyModel =
  (model: tf.LayersModel): Apply =>
  ([x]) =>
    [model.apply(x!)].flat() as tf.Tensor[];

/** Outputs, and the gradients of a weighted sum of them by each input and weight. */
function run(model: tf.LayersModel, inputs: () => tf.Tensor[], apply: Apply): number[][] {
  return tf.tidy(() => {
    const sum = (...tensors: tf.Tensor[]) => tf.addN(apply(tensors).map(weigh)) as tf.Scalar;
    const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
    const { grads } = tf.variableGrads(() => sum(...inputs()), variables);
    return [...apply(inputs()), ...tf.grads(sum)(inputs()), ...variables.map(({ name }) => grads[name]!)].map(
      (tensor) => Array.from(tensor.dataSync()),
    );
  });
}

const furthest = (a: number[][], b: number[][]): number => {
  assert.deepEqual(
    a.map((row) => row.length),
    b.map((row) => row.length),
  );
  return Math.max(...a.flatMap((row, i) => row.map((value, j) => Math.abs(value - b[i]![j]!))));
};

for (const engine of ['wasm', 'cpu'] as const) {
  describe(`fuse on ${engine}`, () => {
    let tensors = 0;
    before(async () => {
      await useEngine(engine);
      tensors = tf.memory().numTensors;
    });
    afterEach(() => assert.equal(tf.memory().numTensors, tensors));

    for (const kind of ['lstm', 'gru'] as const) {
      for (const [name, make] of Object.entries(models)) {
        it(`gives the outputs and gradients of a stock ${kind} layer: ${name}`, () => {
          const model = make(kind);
          const stock = run(model, sequences, applyModel(model));
          const report = fuse(model);
          assert.deepEqual(report.left, []);
          assert.ok(report.fused.length > 0);
          assert.ok(stock.flat().every(Number.isFinite));
          assert.ok(furthest(run(model, sequences, applyModel(model)), stock) < 1e-5);
          model.dispose();
        });
      }

      for (const masked of [false, true]) {
        for (const goBackwards of [false, true]) {
          const what = `${masked ? 'a mask and ' : ''}an initial state${goBackwards ? ', backwards' : ''}`;
          it(`gives the outputs and gradients of a stock ${kind} layer: ${what}`, () => {
            const recurrent = layer(kind, { returnState: true, returnSequences: true, goBackwards });
            const model = chain(recurrent);
            const count = kind === 'lstm' ? 2 : 1;
            const inputs = () => [
              ...sequences(),
              ...Array.from({ length: count }, (_, i) => tf.randomUniform([batch, units], -1, 1, 'float32', 90 + i)),
            ];
            const apply: Apply = ([x, ...initialState]) =>
              recurrent.apply(x!, { initialState, ...(masked && { mask: keptSteps() }) }) as tf.Tensor[];
            const stock = run(model, inputs, apply);
            fuse(model);
            assert.ok(furthest(run(model, inputs, apply), stock) < 1e-5);
            model.dispose();
          });
        }
      }
    }
  });
}

/** The function that computes the model's last layer, to tell whether it was swapped. */
const callOf = (model: tf.LayersModel): unknown => Reflect.get(model.layers.at(-1)!, 'call');

const leftBecause = (options: Partial<Arguments>, why: RegExp) => {
  const model = chain(layer('lstm', { name: 'memory', ...options }));
  const stock = callOf(model);
  const { fused, left } = fuse(model);
  assert.deepEqual(fused, []);
  assert.deepEqual(
    left.map(({ layer: path }) => path),
    ['memory'],
  );
  assert.match(left[0]!.why, why);
  assert.equal(callOf(model), stock);
  model.dispose();
};

const uniformWeights = () => tf.randomUniform([3, units], -1, 1, 'float32', 5);

describe('fuse', () => {
  before(() => useEngine('wasm'));

  it('leaves and reports a layer with dropout inside', () => {
    leftBecause({ dropout: 0.1 }, /dropout/);
    leftBecause({ recurrentDropout: 0.1 }, /dropout/);
  });

  it('leaves and reports other activations', () => {
    leftBecause({ activation: 'relu' }, /activation is relu/);
    leftBecause({ recurrentActivation: 'relu' }, /recurrentActivation is relu/);
  });

  it('leaves and reports kinds that have no fast form', () => {
    const x = sequence();
    const simple = tf.layers.simpleRNN({ units, name: 'simple' });
    const model = tf.model({ inputs: x, outputs: simple.apply(x) as tf.SymbolicTensor });
    assert.deepEqual(fuse(model), { fused: [], left: [{ layer: 'simple', why: 'SimpleRNN has no fast form' }] });
    model.dispose();
  });

  it('finds layers within wrappers and nested models, and names their path', () => {
    const inner = tf.sequential({
      name: 'inner',
      layers: [tf.layers.lstm({ units, inputShape: [steps, features], name: 'deep' })],
    });
    const both = tf.layers.bidirectional({ layer: layer('gru', { name: 'turn' }), mergeMode: 'sum', name: 'both' });
    const x = sequence();
    const model = tf.model({ inputs: x, outputs: [inner.apply(x), both.apply(x)] as tf.SymbolicTensor[] });
    assert.deepEqual(fuse(model).fused, ['inner/deep', 'both/forward_turn', 'both/backward_turn']);
    model.dispose();
  });

  it('changes nothing when called again', () => {
    const model = chain(layer('lstm'));
    const first = fuse(model);
    const call = callOf(model);
    assert.deepEqual(fuse(model), first);
    assert.equal(callOf(model), call);
    model.dispose();
  });

  it('takes the mask that an embedding makes, through a stack', () => {
    const tensors = tf.memory().numTensors;
    const model = tf.sequential({
      layers: [
        tf.layers.embedding({ inputDim: 5, outputDim: features, maskZero: true, inputShape: [steps] }),
        layer('lstm', { returnSequences: true }),
        layer('gru'),
      ],
    });
    const ids = tf.tensor2d([1, 4, 0, 2, 0, 0, 0, 3, 1, 2, 2, 0, 0, 0, 0], [3, steps], 'int32');
    const readAll = () =>
      tf.tidy(() => {
        const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
        const loss = () => tf.sum<tf.Scalar>(tf.mul(model.apply(ids) as tf.Tensor, uniformWeights()));
        const { grads } = tf.variableGrads(loss, variables);
        const all = [model.predict(ids) as tf.Tensor, ...variables.map(({ name }) => grads[name]!)];
        return all.map((tensor) => Array.from(tensor.dataSync()));
      });
    const stock = readAll();
    assert.deepEqual(fuse(model).left, []);
    assert.ok(furthest(readAll(), stock) < 1e-5);
    ids.dispose();
    model.dispose();
    assert.equal(tf.memory().numTensors, tensors);
  });

  it('leaves names, configuration and weights those of a stock model, which saves and loads as one, and can be fused again', async () => {
    const tensors = tf.memory().numTensors;
    const model = chain(layer('lstm', { returnSequences: true }), layer('gru'));
    const topology = model.toJSON(null, false);
    fuse(model);
    assert.deepEqual(model.toJSON(null, false), topology);
    let saved: tf.io.ModelArtifacts | undefined;
    await model.save(
      tf.io.withSaveHandler(async (artifacts) => {
        saved = artifacts;
        return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
      }),
    );
    const loaded = await tf.loadLayersModel(tf.io.fromMemory(saved!));
    const [x] = sequences();
    const [ours, stock] = [model, loaded].map((each) =>
      tf.tidy(() => Array.from((each.predict(x!) as tf.Tensor).dataSync())),
    );
    assert.ok(furthest([ours!], [stock!]) < 1e-5);
    assert.deepEqual(fuse(loaded).left, []);
    const fusedAgain = tf.tidy(() => Array.from((loaded.predict(x!) as tf.Tensor).dataSync()));
    assert.ok(furthest([fusedAgain], [stock!]) < 1e-5);
    model.dispose();
    loaded.dispose();
    x!.dispose();
    assert.equal(tf.memory().numTensors, tensors);
  });
});
