import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { EngineError } from '../../../../src/errors.ts';
import { lstmByStep } from '../../../../src/engine/layers/lstm-sequence.ts';
import type { GateActivation, RecurrentSequence } from '../../../../src/engine/layers/recurrent-sequence.ts';
import { cudnnOrLoops, switchFor } from '../../../../src/engine/tensorflow/cudnn/cudnn-or-loops.ts';
import { CudnnSwitch } from '../../../../src/engine/tensorflow/cudnn/cudnn-switch.ts';
import { cudnnLstm } from '../../../../src/engine/tensorflow/cudnn/lstm.ts';
import { cudnnOperations, type CudnnOperations } from '../../../../src/engine/tensorflow/cudnn/operations.ts';
import { deviation } from '../../../../src/engine/tensorflow/cudnn/trial.ts';
import { describeWithTensorflow } from '../with-tensorflow.ts';
import { plainCudnn } from './plain-cudnn.ts';
import { warningsOf } from './warnings.ts';

const [batch, steps, inputSize, size] = [2, 3, 2, 3];

/** Outputs for inputs that are always the same. */
function outputsOf(
  sequence: RecurrentSequence,
  recurrentActivation: GateActivation = 'sigmoid',
  rows = batch,
): tf.Tensor {
  const x = tf.range(0, rows * steps * inputSize).sin().as3D(rows, steps, inputSize); // prettier-ignore
  const kernel = tf.range(0, inputSize * 4 * size).cos().as2D(inputSize, 4 * size); // prettier-ignore
  const recurrentKernel = tf.range(0, size * 4 * size).sin().as2D(size, 4 * size); // prettier-ignore
  return sequence(
    x,
    kernel,
    recurrentKernel,
    tf
      .range(0, 4 * size)
      .sin()
      .as1D(),
    { recurrentActivation },
  ).outputs;
}

/** An LSTM that says how often it ran. */
function counted(sequence: RecurrentSequence) {
  const calls = { count: 0 };
  const run: RecurrentSequence = (...args) => {
    calls.count++;
    return sequence(...args);
  };
  return { run, calls };
}

/** cuDNN as it would be if two gates stood in each other's place. */
function swappedGates(): CudnnOperations {
  const { operations } = plainCudnn();
  const swap = (parameters: tf.Tensor) => {
    const quarter = parameters.size / 8;
    const [first, second, rest] = tf.split(parameters.flatten(), [quarter, quarter, 6 * quarter]);
    return tf.concat([second!, first!, rest!]);
  };
  return {
    forward: (inputs, isTraining) => operations.forward({ ...inputs, parameters: swap(inputs.parameters) }, isTraining),
    backward: operations.backward.bind(operations),
  };
}

describe('deviation', () => {
  before(() => tf.setBackend('cpu'));

  it('is rounding for an LSTM that is right, and leaves no tensor', () => {
    const before = tf.memory().numTensors;
    assert.ok(deviation(cudnnLstm(plainCudnn().operations), lstmByStep) < 1e-5);
    assert.equal(tf.memory().numTensors, before);
  });

  it('is far from it where gates are taken for each other', () => {
    assert.ok(deviation(cudnnLstm(swappedGates()), lstmByStep) > 0.02);
  });

  it('sees a gradient alone that is wrong', () => {
    const { operations } = plainCudnn();
    const halved: CudnnOperations = {
      ...operations,
      backward: (...args) => {
        const slopes = operations.backward(...args);
        return { ...slopes, parameters: slopes.parameters.div(2) };
      },
    };
    assert.ok(deviation(cudnnLstm(halved), lstmByStep) > 0.02);
  });

  it('is infinite where a result is NaN', () => {
    const { operations } = plainCudnn();
    const broken: CudnnOperations = {
      ...operations,
      forward: (...args) => ({ ...operations.forward(...args), lastCell: tf.ones([1, 3, 6]).mul(NaN) }),
    };
    assert.equal(deviation(cudnnLstm(broken), lstmByStep), Infinity);
  });
});

describe('cudnnOrLoops', () => {
  before(() => tf.setBackend('cpu'));

  const usesOf = (action: (fast: RecurrentSequence) => void, cudnn = new CudnnSwitch(() => 0)) => {
    const { operations, calls } = plainCudnn();
    const loops = counted(lstmByStep);
    tf.tidy(() => action(cudnnOrLoops(operations, loops.run, cudnn)));
    return { cudnn: calls.inference, loops: loops.calls.count };
  };

  it('runs sigmoid gates on cuDNN', () => {
    assert.deepEqual(
      usesOf((fast) => outputsOf(fast)),
      { cudnn: 1, loops: 0 },
    );
  });

  it('leaves hard sigmoid gates and empty batches to loops, and does not even try cuDNN for them', () => {
    const never = new CudnnSwitch(() => assert.fail('tried'));
    assert.deepEqual(
      usesOf((fast) => outputsOf(fast, 'hardSigmoid'), never),
      { cudnn: 0, loops: 1 },
    );
    const empty = cudnnOrLoops(
      plainCudnn().operations,
      () => ({ outputs: tf.zeros([0, steps, size]), states: [] }),
      never,
    );
    tf.tidy(() => assert.deepEqual(outputsOf(empty, 'sigmoid', 0).shape, [0, steps, size]));
  });

  it('runs loops where cuDNN was found wrong', () => {
    warningsOf(() =>
      assert.deepEqual(
        usesOf((fast) => outputsOf(fast), new CudnnSwitch(() => 1)),
        { cudnn: 0, loops: 1 },
      ),
    );
  });

  it('runs loops when cuDNN fails after it was tried', () => {
    const failing: CudnnOperations = {
      ...plainCudnn().operations,
      forward: () => {
        throw new EngineError('CudnnRNNV3: …', { tensorflow: 'Failed to call DoRnnForward with model config' });
      },
    };
    const warnings = warningsOf(() =>
      tf.tidy(() => {
        const fast = cudnnOrLoops(failing, lstmByStep, new CudnnSwitch(() => 0));
        assert.deepEqual(outputsOf(fast).arraySync(), outputsOf(lstmByStep).arraySync());
        outputsOf(fast);
      }),
    );
    assert.equal(warnings.length, 1);
  });
});

describeWithTensorflow("TensorFlow's operations for cuDNN", (engine) => {
  const onDevice = () => engine().backend.engineBinding.context.isGpu;

  it('build a function of a training step, with the shapes that the step needs', function () {
    if (onDevice()) this.skip(); // where it would run too: see the conformance case
    const { backend } = engine();
    const fast = cudnnLstm(cudnnOperations(backend));
    const shapes: Record<string, number[]>[] = [];
    const step = engine().compile((kernel: tf.Tensor) => {
      const operations = cudnnOperations(backend);
      const inputs = {
        x: tf.zeros([5, 4, 3]),
        hidden: tf.zeros([1, 4, 6]),
        cell: tf.zeros([1, 4, 6]),
        parameters: tf.zeros([4 * 6 * (3 + 6 + 2)]),
        lengths: tf.tensor1d([5, 5, 5, 5], 'int32'),
      };
      const given = operations.forward(inputs, true);
      const slopes = operations.backward(inputs, given, given);
      const shapesOf = (tensors: object) =>
        Object.fromEntries(
          Object.entries(tensors).flatMap(([name, tensor]: [string, unknown]) =>
            tensor instanceof tf.Tensor ? [[name, tensor.shape]] : [],
          ),
        );
      shapes.push(shapesOf(given), shapesOf(slopes));
      const run = (weights: tf.Tensor) => {
        const x = tf.zeros<tf.Rank.R3>([4, 5, 6]);
        const { outputs } = fast(x, weights.as2D(6, 24), tf.zeros([6, 24]), tf.zeros([24]), {
          recurrentActivation: 'sigmoid',
          mask: tf.ones([4, 5]),
        });
        return outputs.sum();
      };
      return tf.grad(run)(kernel);
    });
    const kernel = tf.zeros([6, 24]);
    // Building it succeeds, and so it fails only when it is run, on a device without the operation.
    assert.throws(() => step(kernel), /CudnnRNN/u);
    kernel.dispose();
    assert.deepEqual(shapes, [
      { outputs: [5, 4, 6], lastHidden: [1, 4, 6], lastCell: [1, 4, 6] },
      { x: [5, 4, 3], hidden: [1, 4, 6], cell: [1, 4, 6], parameters: [264] },
    ]);
  });

  it('are tried in the middle of a trace, and loops are used where they do not run', function () {
    if (onDevice()) this.skip();
    const { backend } = engine();
    const operations = cudnnOperations(backend);
    const cudnn = switchFor(backend, operations);
    const fast = cudnnOrLoops(operations, lstmByStep, cudnn);
    const kernel = tf.tidy(() => tf.variable(tf.range(0, inputSize * 4 * size).cos().as2D(inputSize, 4 * size))); // prettier-ignore
    const train = (sequence: RecurrentSequence) => {
      const loss = () => {
        const x = tf.range(0, batch * steps * inputSize).sin().as3D(batch, steps, inputSize); // prettier-ignore
        const { outputs } = sequence(
          x,
          kernel.as2D(inputSize, 4 * size),
          tf.zeros([size, 4 * size]),
          tf.zeros([4 * size]),
          {
            recurrentActivation: 'sigmoid',
          },
        );
        return outputs.square().sum().asScalar();
      };
      const { value, grads } = tf.variableGrads(loss, [kernel]);
      return [value, grads[kernel.name]!];
    };
    const step = engine().compile(() => train(fast));
    let results: tf.Tensor[] = [];
    const warnings = warningsOf(() => (results = step()));
    const expected = tf.tidy(() => train(lstmByStep));
    assert.match(String(warnings), /CudnnRNNV3/u);
    assert.equal(warnings.length, 1);
    assert.equal(cudnn.state, 'off');
    results.forEach((result, i) => tf.test_util.expectArraysClose(result.dataSync(), expected[i]!.dataSync(), 1e-6));
    tf.dispose([results, expected, kernel]);
    step.dispose();
  });

  it('are tried right in the middle of a trace too: a trial that is right goes on to cuDNN', () => {
    const { operations, calls } = plainCudnn();
    const cudnn = switchFor(engine().backend, operations);
    const step = engine().compile((x: tf.Tensor) => {
      const slope = tf.grad((y: tf.Tensor) => {
        assert.ok(cudnn.usable());
        return y.square();
      })(x);
      return slope;
    });
    tf.tidy(() => assert.deepEqual([...step(tf.tensor1d([1, 2])).dataSync()], [2, 4]));
    assert.deepEqual([cudnn.state, calls.backward], ['on', 2]);
    step.dispose();
  });
});
