import * as tf from '@tensorflow/tfjs';
import type { ConformanceCase, InputSpec } from './case.ts';
import { graph, type Layer, layer } from './layer-case.ts';

type Symbols = tf.SymbolicTensor[];

const [batch, steps, features, units] = [2, 5, 3, 6];
const sequence: InputSpec = { shape: [batch, steps, features] };
const state: InputSpec = { shape: [batch, units] };
/** Characters of which 0 stands for none, so that an embedding masks it. */
const characters: InputSpec = { shape: [4, steps], low: 0, high: 3, dtype: 'int32' };
/** So many that an engine may run them in parts, which are not of one size. */
const manyCharacters: InputSpec = { ...characters, shape: [17, steps] };
const sigmoid = { units, recurrentActivation: 'sigmoid' } as const;
const { lstm, gru, bidirectional, embedding, dense } = tf.layers;

const single: readonly (readonly [string, () => Layer])[] = [
  ['lstm', () => lstm(sigmoid)],
  ['lstm, all steps', () => lstm({ ...sigmoid, returnSequences: true })],
  ['lstm, hard sigmoid', () => lstm({ units })],
  ['lstm, backwards', () => lstm({ ...sigmoid, goBackwards: true, returnSequences: true })],
  ['lstm, states returned', () => lstm({ ...sigmoid, returnState: true, returnSequences: true })],
  ['lstm without bias', () => lstm({ ...sigmoid, useBias: false })],
  ['gru', () => gru(sigmoid)],
  ['gru, all steps', () => gru({ ...sigmoid, returnSequences: true })],
  ['gru, hard sigmoid', () => gru({ units })],
  ['gru, backwards', () => gru({ ...sigmoid, goBackwards: true, returnSequences: true })],
  ['gru, states returned', () => gru({ ...sigmoid, returnState: true, returnSequences: true })],
  [
    'bidirectional lstm',
    () => bidirectional({ layer: lstm({ ...sigmoid, returnSequences: true }), mergeMode: 'concat' }),
  ],
  [
    'bidirectional gru',
    () => bidirectional({ layer: gru({ ...sigmoid, returnSequences: true }), mergeMode: 'concat' }),
  ],
];

/** What symbols a layer gives, as a list. */
const applied = (each: Layer, x: tf.SymbolicTensor | Symbols): Symbols =>
  // symbols go in, so symbols come out
  [each.apply(x) as tf.SymbolicTensor | Symbols].flat();

const masked = (x: Symbols) => applied(embedding({ inputDim: 3, outputDim: features, maskZero: true }), x[0]!)[0]!;

/** An encoder whose states begin a decoder. */
function handedOn(make: typeof lstm | typeof gru, [source, target]: Symbols): Symbols {
  const [, ...states] = applied(make({ ...sigmoid, returnState: true }), source!);
  return applied(make({ ...sigmoid, returnSequences: true }), [target!, ...states]);
}

const graphs: readonly (readonly [string, readonly InputSpec[], (x: Symbols) => Symbols])[] = [
  ['lstm under a mask', [characters], (x) => applied(lstm({ ...sigmoid, returnSequences: true }), masked(x))],
  ['gru under a mask', [characters], (x) => applied(gru({ ...sigmoid, returnSequences: true }), masked(x))],
  [
    'lstm under a mask, backwards, states returned',
    [characters],
    (x) => applied(lstm({ ...sigmoid, goBackwards: true, returnState: true }), masked(x)),
  ],
  [
    'gru under a mask, states returned',
    [characters],
    (x) => applied(gru({ ...sigmoid, returnState: true }), masked(x)),
  ],
  [
    'lstm upon gru under a mask',
    [characters],
    (x) => applied(lstm(sigmoid), applied(gru({ ...sigmoid, returnSequences: true }), masked(x))),
  ],
  [
    'lstm of many sequences under a mask, states returned',
    [manyCharacters],
    (x) => applied(lstm({ ...sigmoid, returnSequences: true, returnState: true }), masked(x)),
  ],
  ['gru of many sequences under a mask', [manyCharacters], (x) => applied(gru(sigmoid), masked(x))],
  ['lstm, initial state', [sequence, state, state], (x) => applied(lstm(sigmoid), x)],
  ['gru, initial state', [sequence, state], (x) => applied(gru(sigmoid), x)],
  ['lstm, states handed on', [sequence, sequence], (x) => handedOn(lstm, x)],
  ['gru, states handed on', [sequence, sequence], (x) => handedOn(gru, x)],
  [
    'three layers of lstm and gru, and dense',
    [sequence],
    ([x]) => {
      const first = applied(lstm({ ...sigmoid, returnSequences: true }), x!);
      const second = applied(gru({ ...sigmoid, returnSequences: true }), first);
      return applied(dense({ units: 3 }), applied(lstm({ ...sigmoid, returnSequences: true }), second));
    },
  ],
];

/** Recurrent layers, stock and made fast: masks, states in and out, both directions, one upon the other. */
export const recurrentCases: readonly ConformanceCase[] = [false, true].flatMap((fused) => [
  ...single.map(([name, make]) => layer(name, make, sequence, { fused })),
  ...graphs.map(([name, inputs, build]) => graph(name, inputs, build, { fused })),
]);
