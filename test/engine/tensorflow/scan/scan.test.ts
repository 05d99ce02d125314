import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { scan, scanStepByStep, type ScanInputs, type ScanStep } from '../../../../src/engine/scan.ts';
import { EngineError } from '../../../../src/errors.ts';
import { disposeTape } from '../../dispose-tape.ts';
import { describeWithTensorflow } from '../with-tensorflow.ts';
import { wave } from '../wave.ts';

/** A recurrence with two states (one an integer count), two sequences (one of integers), weights, and two outputs. */
const step: ScanStep = ([h, count], [x, pick], [w, b]) => {
  if (!h || !count || !x || !pick || !w || !b) throw new RangeError('the step takes six tensors');
  const next = tf.tanh(x.add(h.matMul(w)).add(b)).mul(tf.gather(w.sum(0), pick).add(1.5));
  return { carry: [next, count.add(tf.scalar(1, 'int32'))], outputs: [next.square(), h.sum().mul(count.toFloat())] };
};
const makeInputs = (steps: number) => ({
  carry: [wave([2, 3], 1), tf.scalar(2, 'int32')],
  sequences: [wave([steps, 2, 3], 2), tf.tidy(() => tf.range(0, steps).mod(3).toInt())],
  constants: [wave([3, 3], 3), wave([3], 4)],
});

/** The results of a scan and the gradients of a scalar of them by h, x, w and b. */
const pass =
  (run: typeof scan) =>
  (...[h, count, x, pick, w, b]: tf.Tensor[]): tf.Tensor[] => {
    if (!h || !count || !x || !pick || !w || !b) throw new RangeError('six tensors');
    const of = (inputs: ScanInputs) => run(step, inputs);
    const scalar = (...[h1, x1, w1, b1]: tf.Tensor[]) => {
      if (!h1 || !x1 || !w1 || !b1) throw new RangeError('four tensors');
      const { carry, outputs } = of({ carry: [h1, count], sequences: [x1, pick], constants: [w1, b1] });
      return tf.addN(
        [...carry.slice(0, 1), ...outputs].map((tensor, i) => tensor.mul(wave(tensor.shape, 10 + i)).sum()),
      );
    };
    const { carry, outputs } = of({ carry: [h, count], sequences: [x, pick], constants: [w, b] });
    return [...carry, ...outputs, ...tf.grads(scalar)([h, x, w, b])];
  };

describeWithTensorflow('scan', (engine) => {
  for (const steps of [0, 1, 7]) {
    it(`gives the results and gradients of steps run one by one on another engine: ${steps} steps`, async () => {
      const run = (body: (...tensors: tf.Tensor[]) => tf.Tensor[]) =>
        tf.tidy(() => {
          const { carry, sequences, constants } = makeInputs(steps);
          return body(...carry, ...sequences, ...constants).map((tensor) => ({
            shape: tensor.shape,
            values: Array.from(tensor.dataSync()),
          }));
        });
      await tf.setBackend('cpu');
      const expected = run(pass(scanStepByStep));
      await tf.setBackend('tensorflow');
      const compiled = engine().compile(pass(scan));
      for (const actual of [run(pass(scan)), run(compiled)]) {
        assert.deepEqual(
          actual.map(({ shape }) => shape),
          expected.map(({ shape }) => shape),
        );
        actual.forEach(({ values }, i) =>
          values.forEach((value, j) =>
            assert.ok(
              Math.abs(value - (expected[i]?.values[j] ?? NaN)) < 2e-5 * Math.max(1, Math.abs(value)),
              `${i}[${j}] ${value}, expected ${expected[i]?.values[j]}`,
            ),
          ),
        );
      }
      compiled.dispose();
    });
  }

  it('makes functions that do not grow with the steps, and frees them all', () => {
    const { functions } = engine().statistics();
    const sizes = [3, 30].map((steps) => {
      const compiled = engine().compile(pass(scan));
      tf.tidy(() => {
        const { carry, sequences, constants } = makeInputs(steps);
        compiled(...carry, ...sequences, ...constants);
      });
      const { operations } = compiled;
      compiled.dispose();
      return operations;
    });
    // constants of 64 equal numbers and more are two operations more
    assert.ok(Math.abs((sizes[0] ?? 0) - (sizes[1] ?? 0)) <= 4, `${sizes.join(' and ')} operations`);
    assert.equal(engine().statistics().functions, functions);
  });

  it('refuses a gradient of its gradient, which would lack what goes through the states', () => {
    const cubes: ScanStep = ([sum], [row]) => ({ carry: [sum!.add(row!.mul(row!).mul(sum!))], outputs: [] });
    const total = (x: tf.Tensor) => scan(cubes, { carry: [tf.scalar(1)], sequences: [x] }).carry[0]!;
    const compiled = engine().compile((x: tf.Tensor) => tf.grad((at) => tf.grad(total)(at).sum())(x));
    tf.tidy(() => {
      const x = tf.tensor1d([1, 2]);
      assert.throws(
        () => compiled(x),
        (error) => error instanceof EngineError && error.message.startsWith('scan(): expected a first derivative'),
      );
      disposeTape();
      // the steps one by one have it: (1 + a²)(1 + b²) gives 2a(1 + b²) + 2b(1 + a²), and that 2(1 + b²) + 4ab by a
      const second = tf.grad((at) => tf.grad(total)(at).sum())(x);
      assert.deepEqual(second.arraySync(), [2 * 5 + 8, 2 * 2 + 8]);
    });
  });

  it('refuses random numbers within a step, which would be the same in each', () => {
    const compiled = engine().compile(
      (x: tf.Tensor) =>
        scan((_, [row]) => ({ carry: [], outputs: [tf.randomUniform([2]).add(row ?? 0)] }), {
          carry: [],
          sequences: [x],
        }).outputs,
    );
    tf.tidy(() => assert.throws(() => compiled(tf.ones([3, 2])), /random numbers drawn within `scan`/u));
  });

  it('refuses a state that changes its shape', () => {
    const compiled = engine().compile(
      (x: tf.Tensor) =>
        scan(([h], [row]) => ({ carry: [tf.concat([h ?? x, row ?? x])], outputs: [] }), {
          carry: [tf.ones([2])],
          sequences: [x],
        }).carry,
    );
    tf.tidy(() =>
      assert.throws(
        () => compiled(tf.ones([3, 2])),
        /state 0 is \[2\] float32 before a step and \[4\] float32 after it/u,
      ),
    );
  });
});
