import * as tf from '@tensorflow/tfjs';
import { gruSequence } from '../../../../src/engine/layers/gru-sequence.ts';
import { lstmSequence } from '../../../../src/engine/layers/lstm-sequence.ts';
import { differentiable, type GateActivation } from '../../../../src/engine/layers/recurrent-sequence.ts';
import { gruOnLoops } from '../../../../src/engine/tensorflow/scan/gru.ts';
import { inParts } from '../../../../src/engine/tensorflow/scan/in-parts.ts';
import { loopsOf } from '../../../../src/engine/tensorflow/scan/loops.ts';
import { lstmOnLoops } from '../../../../src/engine/tensorflow/scan/lstm.ts';
import { XlaSwitch } from '../../../../src/engine/tensorflow/scan/xla-switch.ts';
import { describeWithTensorflow } from '../with-tensorflow.ts';
import { assertNear, run, type RecurrentCase } from './recurrent-case.ts';

const [batch, steps] = [26, 4]; // parts of 8, 9 and 9
const mask = Array.from({ length: batch }, (_, row) => Array.from({ length: steps }, (__, t) => (row + t) % 3 && 1));

describeWithTensorflow('inParts', (engine) => {
  for (const [layer, plain, recurrence, gates, states] of [
    ['LSTM', lstmSequence, lstmOnLoops, 4, 2],
    ['GRU', gruSequence, gruOnLoops, 3, 1],
  ] as const) {
    for (const [title, test] of Object.entries<Omit<RecurrentCase, 'recurrentActivation'>>({
      'outputs alone': { batch, steps, withState: false },
      'states in and out, under a mask': { batch, steps, withState: true, mask },
      'a batch that is too small to be parted': { batch: 2, steps, withState: true },
    })) {
      for (const xla of [true, false]) {
        it(`gives the results and gradients of the plain ${layer}, ${xla ? 'with' : 'without'} XLA: ${title}`, async () => {
          const { backend } = engine();
          const loops = loopsOf(backend, new XlaSwitch(xla));
          const parted = differentiable(inParts(backend, recurrence(loops), 3), states);
          for (const recurrentActivation of ['sigmoid', 'hardSigmoid'] satisfies GateActivation[]) {
            const full = { ...test, recurrentActivation };
            await tf.setBackend('cpu');
            const expected = run(plain, gates, states, full, (pass) => pass);
            await tf.setBackend('tensorflow');
            let compiled: { dispose(): void } | undefined;
            const actual = run(parted, gates, states, full, (pass) => (compiled = engine().compile(pass)));
            compiled?.dispose();
            assertNear(actual, expected);
          }
        });
      }
    }
  }
});
