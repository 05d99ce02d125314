import { Writable } from 'node:stream';
import * as tf from '@tensorflow/tfjs';
import {
  byteVocabulary,
  createTurnstile,
  definePipeline,
  importance,
  modelScorer,
  openHead,
  presample,
  schemeOf,
  tauGate,
  type Corpus,
  type Snapshot,
} from '../../src/index.ts';
import { mobyDick } from '../../corpora/moby-dick/recipe.ts';
import { activeEngine } from '../../src/engine/use-engine.ts';
import { classifier, clusters } from '../train/toy.ts';

/** What the reader of an example has at hand: a compiled model, a corpus, and what comes of them. */
export function scene() {
  const model = classifier();
  const head = openHead(model);
  const { corpus: endless } = clusters(640);
  const corpus: Corpus = { ...endless, samples: (options) => endless.samples({ ...options, epochs: 1 }) };
  const { schema } = corpus;
  const gate = tauGate({ tauThreshold: 1.5 });
  const samples = corpus.samples({ seed: 7 });
  const scorer = modelScorer(head, { scheme: schemeOf('upper-bound'), schema, scoreBatchSize: 64 });
  const options = { schema, gate, presampleSize: 128, batchSize: 32 };
  const presamples = presample({ schema, gate, presampleSize: 128, batchSize: 32 })(samples);
  const scored = importance(scorer)(presamples);
  const [xs, ys] = [tf.data.array([[1, 2]]), tf.data.array([1])];
  const pipeline = definePipeline({
    name: 'clusters',
    corpus: () => ({ train: corpus, validation: corpus }),
    model: () => classifier(),
    loss: 'sparseCategoricalCrossentropy',
    batchSize: 16,
    presampleSize: 32,
  });
  return {
    model,
    head,
    corpus,
    schema,
    gate,
    samples,
    scorer,
    options,
    presamples,
    scored,
    xs,
    ys,
    pipeline,
    dataset: tf.data.zip({ xs, ys }).batch(1),
    old: corpus,
    recent: { ...corpus, name: 'recent' },
    engine: activeEngine()!, // the runner has chosen one
    mobyDick,
    turnstile: createTurnstile(0),
    vocabulary: byteVocabulary,
    text: JSON.stringify(byteVocabulary),
    snapshot: { tensors: { kernel: tf.ones([2, 3]) }, state: { step: 7 } } satisfies Snapshot,
    consumer: new Writable({ objectMode: true, write: (_, __, done) => done() }),
    myTrainer: { step: async (_x: unknown, _y: unknown, weights: Float32Array) => weights },
    // for tensor code
    F: 3,
    rows: tf.ones([4, 3]),
    logits: tf.tensor2d([1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1], [4, 3]),
    classes: tf.tensor1d([0, 1, 2, 0], 'int32'),
    weights: [tf.variable(tf.ones([2, 2]))],
    train: (x: tf.Tensor2D, lr: tf.Scalar) => x.mul(lr),
    loss: (prediction: unknown, _y: tf.Tensor) => tf.mean(prediction as tf.Tensor).asScalar(), // one output
  };
}
