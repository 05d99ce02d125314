import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { CompileError, EngineError, OptionsError } from '../../../../src/errors.ts';
import type { Tensors } from '../../../../src/engine/engine.ts';
import { describeWithTensorflow } from '../with-tensorflow.ts';
import { wave } from '../wave.ts';

const close = (actual: tf.Tensor, expected: tf.Tensor, tolerance = 1e-5) => {
  assert.deepEqual(actual.shape, expected.shape);
  const [a, b] = [actual.dataSync(), expected.dataSync()];
  a.forEach((value, i) =>
    assert.ok(Math.abs(value - (b[i] ?? NaN)) <= tolerance, `[${i}]: ${value}, expected ${b[i]}`),
  );
};
const wavy = (shape: number[], phase = 0) => wave(shape, phase, 12.9898);
const variable = (initial: tf.Tensor) => {
  const made = tf.variable(initial);
  initial.dispose();
  return made;
};
/** Disposes what a callback returns nothing of. */
const scoped = (body: () => unknown) =>
  tf.tidy(() => {
    body();
  });
const attend = (x: tf.Tensor2D, y: tf.Tensor2D) => tf.softmax(tf.matMul(x, y, false, true).add(x.sum()).relu());
const bend = (x: tf.Tensor) => tf.tanh(x).mul(x).sum();
const one = () => tf.ones([2]);
const readLater = (x: tf.Tensor) => {
  void x.data();
  return x.neg();
};
const normalised = () => {
  const layers = [
    tf.layers.conv2d({ filters: 4, kernelSize: 3, inputShape: [6, 6, 2], kernelInitializer: 'ones' }),
    tf.layers.batchNormalization(),
    tf.layers.activation({ activation: 'relu' }),
    tf.layers.maxPooling2d({ poolSize: 2 }),
    tf.layers.flatten(),
    tf.layers.dense({ units: 3, kernelInitializer: 'ones' }),
  ];
  return tf.sequential({ layers });
};
const applied = (model: tf.Sequential, x: tf.Tensor) => {
  const y = model.apply(x, { training: true });
  assert.ok(y instanceof tf.Tensor);
  return y;
};
const thrownBy = (action: () => unknown): Error => {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof Error);
    return error;
  }
  throw new assert.AssertionError({ message: 'expected an error' });
};

describeWithTensorflow('TensorflowEngine.compile', (engine) => {
  const functions = () => engine().statistics().functions;
  const train = (make: () => tf.Optimizer, compiled: boolean) => {
    const weights = variable(wavy([4, 3]));
    const optimizer = make();
    const plain = (x: tf.Tensor2D) =>
      tf.tidy(() => {
        const { value, grads } = tf.variableGrads(() => tf.matMul(x, tf.tanh(weights).as2D(4, 3)).square().mean());
        optimizer.applyGradients(Object.entries(grads).map(([name, tensor]) => ({ name, tensor })));
        return value;
      });
    const step = compiled ? engine().compile(plain) : Object.assign(plain, { dispose: () => undefined });
    const losses = Array.from({ length: 5 }, (_, i) =>
      tf.tidy(() => step(wavy([8, 4], i).as2D(8, 4)).dataSync()[0] ?? 0),
    );
    const final = Array.from(weights.dataSync());
    step.dispose();
    optimizer.dispose();
    weights.dispose();
    return [...losses, ...final];
  };
  const trainNormalised = (compiled: boolean) => {
    const model = normalised();
    const variables = model.trainableWeights
      .map((weight) => weight.read())
      .filter((weight) => weight instanceof tf.Variable);
    scoped(() => model.trainableWeights[0]?.write(wavy([3, 3, 2, 4])));
    const plain = (x: tf.Tensor) => {
      const { value, grads } = tf.variableGrads(() => applied(model, x).square().mean().asScalar(), variables);
      for (const weight of variables) {
        const gradient = grads[weight.name];
        if (gradient) weight.assign(weight.sub(gradient.mul(0.01)));
      }
      return value;
    };
    const eager = (x: tf.Tensor) => tf.tidy(() => plain(x));
    const step = compiled ? engine().compile(plain) : Object.assign(eager, { dispose: () => undefined });
    for (let i = 0; i < 4; i++) scoped(() => step(wavy([5, 6, 6, 2], i)));
    step.dispose();
    const weights = model.getWeights().flatMap((weight) => Array.from(weight.dataSync()));
    model.dispose();
    return weights;
  };
  const where = (x: tf.Tensor) => engine().backend.executeSingleOutput('Where', [], [x]);

  it('gives what the plain step gives, call after call', () => {
    const step = engine().compile(attend);
    for (let phase = 0; phase < 3; phase++) {
      scoped(() => {
        const [x, y] = [wavy([3, 4], phase).as2D(3, 4), wavy([5, 4], phase + 7).as2D(5, 4)];
        close(step(x, y), attend(x, y));
      });
    }
    assert.equal(step.signatures, 1);
    step.dispose();
  });

  it('builds results like the step’s: records, lists, arguments passed on, one tensor twice, constants', () => {
    const step = engine().compile((x: { a: tf.Tensor; b: readonly tf.Tensor[] }) => {
      const sum = x.a.add(x.b[0] ?? 0);
      return { same: [x.a, x.a], twice: { sum, again: sum }, constant: tf.tensor1d([1, 2, 3]), none: [] };
    });
    scoped(() => {
      const a = tf.tensor1d([1, 2]);
      for (let i = 0; i < 2; i++) {
        const { same, twice, constant, none } = step({ a, b: [tf.scalar(i)] });
        assert.deepEqual(
          same.map((tensor) => tensor.arraySync()),
          [
            [1, 2],
            [1, 2],
          ],
        );
        assert.deepEqual(twice.sum.arraySync(), [1 + i, 2 + i]);
        twice.sum.dispose();
        assert.deepEqual(twice.again.arraySync(), [1 + i, 2 + i], 'each result is its owner’s');
        assert.deepEqual(constant.arraySync(), [1, 2, 3]);
        assert.deepEqual(none, []);
        same.forEach((tensor) => tensor.dispose());
        assert.deepEqual(a.arraySync(), [1, 2], 'arguments are not consumed');
      }
    });
    step.dispose();
  });

  it('reads variables anew at every call and assigns to them', () => {
    const count = variable(tf.scalar(0));
    const other = variable(tf.scalar(5));
    const step = engine().compile((x: tf.Tensor) => {
      const before = count.add(0);
      count.assign(count.add(x));
      count.assign(count.mul(2).asScalar());
      return { before, after: count.add(other) };
    });
    scoped(() => {
      let expected = 0;
      for (let i = 1; i <= 4; i++) {
        const { before, after } = step(tf.scalar(i));
        assert.equal(before.arraySync(), expected);
        expected = (expected + i) * 2;
        assert.equal(count.arraySync(), expected);
        assert.equal(after.arraySync(), expected + 5 * i);
        other.assign(tf.scalar(5 * (i + 1)));
      }
    });
    step.dispose();
    tf.dispose([count, other]);
  });

  it('changes no variable by tracing, nor tensors that share its data', () => {
    const value = variable(tf.tensor1d([1, 2]));
    const kept = value.clone();
    const step = engine().compile(() => {
      value.assign(value.mul(3));
      return value;
    });
    const results = [step(), step()];
    assert.deepEqual(kept.arraySync(), [1, 2]);
    assert.deepEqual(
      results.map((result) => result.arraySync()),
      [
        [3, 6],
        [9, 18],
      ],
    );
    assert.deepEqual(value.arraySync(), [9, 18]);
    step.dispose();
    tf.dispose([value, kept, ...results]);
  });

  it('tells variables apart that share data after an eager `a.assign(tf.clone(b))`', () => {
    const [a, b, c] = [variable(tf.tensor1d([1, 2])), variable(tf.tensor1d([5, 6])), variable(tf.tensor1d([7, 8]))];
    scoped(() => a.assign(tf.clone(b)));
    assert.equal(a.dataId, b.dataId);
    const step = engine().compile(() => {
      a.assign(a.mul(2));
      c.assign(a.add(b));
      return [a.clone(), b.clone()];
    });
    const results = [step(), step()];
    scoped(() => b.assign(tf.tensor1d([100, 200])));
    results.push(step());
    assert.deepEqual(
      results.map(([first, second]) => [first?.arraySync(), second?.arraySync()]),
      [
        [
          [10, 12],
          [5, 6],
        ],
        [
          [20, 24],
          [5, 6],
        ],
        [
          [40, 48],
          [100, 200],
        ],
      ],
    );
    assert.deepEqual(
      [a.arraySync(), b.arraySync(), c.arraySync()],
      [
        [40, 48],
        [100, 200],
        [140, 248],
      ],
    );
    step.dispose();
    tf.dispose([a, b, c, ...results.flat()]);
  });

  it('does not take a captured tensor for the variable whose data it shares', () => {
    const value = variable(tf.zeros([32]));
    const captured = value.clone();
    const step = engine().compile(() => value.add(captured));
    assert.match(thrownBy(() => step()).message, /uses a tensor of shape \[32\] from outside/u);
    step.dispose();
    tf.dispose([value, captured]);
  });

  it('takes a variable as an argument, by identity', () => {
    const [a, b] = [variable(tf.scalar(1)), variable(tf.scalar(10))];
    const step = engine().compile((v: tf.Variable) => {
      v.assign(v.add(1));
      return [];
    });
    step(a);
    step(b);
    step(a);
    assert.deepEqual([a.arraySync(), b.arraySync(), step.signatures], [3, 11, 2]);
    step.dispose();
    tf.dispose([a, b]);
  });

  it('swaps two variables', () => {
    const [a, b] = [variable(tf.scalar(1)), variable(tf.scalar(2))];
    const step = engine().compile(() => {
      const old = a.clone();
      a.assign(b.clone());
      b.assign(old);
      return [];
    });
    step();
    assert.deepEqual([a.arraySync(), b.arraySync()], [2, 1]);
    step();
    assert.deepEqual([a.arraySync(), b.arraySync()], [1, 2]);
    step.dispose();
    tf.dispose([a, b]);
  });

  for (const [rule, make] of [
    ['sgd', () => tf.train.sgd(0.05)],
    ['momentum', () => tf.train.momentum(0.05, 0.9)],
    ['adam', () => tf.train.adam(0.05)],
    ['rmsprop', () => tf.train.rmsprop(0.05, 0.9, 0.5, 1e-7, true)],
  ] as const) {
    it(`trains with ${rule}, whose slots are made in the first step, as eagerly`, () => {
      const before = tf.memory().numTensors;
      const [eager, compiled] = [train(make, false), train(make, true)];
      eager.forEach((value, i) =>
        assert.ok(Math.abs(value - (compiled[i] ?? NaN)) < 1e-5, `${value}, compiled ${compiled[i]}`),
      );
      // TensorFlow.js' optimisers keep a scalar or two of their own for ever
      tf.engine().state.numTensors = before;
    });
  }

  it('moves batch normalisation’s averages as eagerly, and draws its gradient through them', () => {
    const [eager, compiled] = [trainNormalised(false), trainNormalised(true)];
    assert.equal(eager.length, compiled.length);
    eager.forEach((value, i) =>
      assert.ok(
        Math.abs(value - (compiled[i] ?? NaN)) < 1e-4 * Math.max(1, Math.abs(value)),
        `[${i}] ${value}, compiled ${compiled[i]}`,
      ),
    );
  });

  it('makes a function for each combination of shapes, types and structure, and keeps the last few', () => {
    const before = functions();
    const step = engine().compile((x: Tensors) => (x instanceof tf.Tensor ? x.mul(tf.scalar(2, x.dtype)) : []), {
      signatures: 2,
    });
    const warnings: Error[] = [];
    const emitWarning = process.emitWarning.bind(process);
    process.emitWarning = (warning: string | Error) => void warnings.push(new Error(String(warning)));
    try {
      scoped(() => {
        for (const x of [tf.ones([1]), tf.ones([2]), tf.ones([2], 'int32'), tf.ones([1]), tf.ones([3])]) {
          step(x);
          assert.ok(functions() - before <= 2);
        }
      });
    } finally {
      process.emitWarning = emitWarning;
    }
    assert.equal(step.signatures, 2);
    assert.equal(warnings.length, 1);
    assert.match(String(warnings[0]), /more than 2 combinations of shapes/u);
    step.dispose();
    assert.equal(functions(), before);
  });

  it('traces anew when a small constant that it captured was disposed', () => {
    let rate = tf.scalar(0.5);
    const step = engine().compile((x: tf.Tensor) => x.mul(rate));
    scoped(() => {
      assert.equal(step(tf.scalar(8)).arraySync(), 4);
      rate.dispose();
      rate = tf.keep(tf.scalar(0.25));
      assert.equal(step(tf.scalar(8)).arraySync(), 2);
    });
    rate.dispose();
    step.dispose();
  });

  it('runs within another compiled step as part of it', () => {
    const before = functions();
    const inner = engine().compile((x: tf.Tensor) => x.square());
    const outer = engine().compile((x: tf.Tensor) => inner(x).add(1));
    scoped(() => assert.deepEqual(outer(tf.tensor1d([2, 3])).arraySync(), [5, 10]));
    assert.equal(functions(), before + 1);
    outer.dispose();
    inner.dispose();
  });

  it('leaves out what the results do not need', () => {
    const step = engine().compile((x: tf.Tensor) => {
      tf.exp(tf.sin(tf.cos(x)));
      return x.neg();
    });
    scoped(() => step(tf.scalar(1)));
    assert.equal(step.operations, 1);
    step.dispose();
  });

  it('compiles with XLA to the same result', () => {
    const step = engine().compile(bend, { xla: true });
    scoped(() => close(step(wavy([50])), bend(wavy([50])), 1e-4));
    step.dispose();
  });

  it('holds as many tensors, handles and functions after 1,000 calls as after 10', () => {
    const weights = variable(wavy([8, 8]));
    const step = engine().compile((x: tf.Tensor2D) => {
      const y = tf.matMul(x, weights.as2D(8, 8)).tanh();
      weights.assign(weights.mul(0.999).as2D(8, 8));
      return { y, mask: tf.dropout(y, 0.5) };
    });
    const x = tf.tidy(() => wavy([4, 8]).as2D(4, 8));
    const call = () => tf.dispose(step(x));
    for (let i = 0; i < 10; i++) call();
    const { liveTensors, functions: made } = engine().statistics();
    for (let i = 0; i < 1000; i++) call();
    const after = engine().statistics();
    assert.deepEqual([after.liveTensors, after.functions], [liveTensors, made]);
    step.dispose();
    tf.dispose([x, weights]);
  });

  describe('refuses', () => {
    const here = /compile-step\.test\.ts:\d+:\d+/u;

    it('a read on the host, with its place', () => {
      const error = thrownBy(() =>
        tf.tidy(() => engine().compile((x: tf.Tensor) => x.mul(x.dataSync()[0] ?? 0))(one())),
      );
      assert.ok(error instanceof CompileError);
      assert.match(error.message, /reads a tensor on the host \(at .*Return the tensor and read it outside\.$/u);
      assert.match(error.message, here);
    });

    it('a read that nobody waits for', () => {
      const error = thrownBy(() => tf.tidy(() => engine().compile(readLater)(one())));
      assert.match(error.message, /reads a tensor on the host/u);
      assert.match(error.message, here);
    });

    it('an asynchronous step', () => {
      // @ts-expect-error: a step gives tensors back, not a promise
      const error = thrownBy(() => tf.tidy(() => engine().compile((x: tf.Tensor) => Promise.resolve(x))(one())));
      assert.match(error.message, /got a promise \(steps are synchronous/u);
    });

    it('a captured tensor, with its place', () => {
      const captured = tf.ones([100]);
      const error = thrownBy(() => tf.tidy(() => engine().compile((x: tf.Tensor) => x.add(captured))(tf.ones([100]))));
      captured.dispose();
      assert.match(error.message, /uses a tensor of shape \[100\] from outside.*Pass it as an argument/u);
      assert.match(error.message, here);
    });

    it('results that are no tensors', () => {
      for (const [result, what] of [
        [undefined, 'nothing'],
        [{ loss: 3 }, 'in `.loss`, got the number 3'],
        [new Map(), 'an object of Map'],
      ] as const) {
        // @ts-expect-error: not tensors
        const error = thrownBy(() => tf.tidy(() => engine().compile(() => result)()));
        assert.ok(error instanceof CompileError);
        assert.ok(error.message.includes(what), error.message);
      }
    });

    it('shapes that depend on values', () => {
      const error = thrownBy(() => tf.tidy(() => engine().compile(where)(one())));
      assert.match(error.message, /depends on values, and a compiled step has fixed shapes/u);
    });

    it('generators whose numbers would be frozen', () => {
      const error = thrownBy(() => tf.tidy(() => engine().compile(() => tf.randomGamma([2], 1))()));
      assert.match(error.message, /`tf\.randomGamma` \(at .*same numbers in every step/u);
    });

    it('a variable that is disposed, in the step or later', () => {
      const value = variable(tf.scalar(1));
      const step = engine().compile(() => value.add(1));
      step().dispose();
      value.dispose();
      assert.match(thrownBy(step).message, /the variable `.*`, which the step uses, was disposed/u);
      step.dispose();
    });

    it('assignments of another shape', () => {
      const value = variable(tf.scalar(1));
      const step = engine().compile(() => {
        const wrong: tf.Tensor = tf.ones([2]);
        value.assign(wrong.as1D());
        return [];
      });
      assert.match(thrownBy(step).message, /expects float32 \[\], got float32 \[2\]/u);
      assert.equal(value.arraySync(), 1);
      value.dispose();
    });

    it('unknown options', () => {
      // @ts-expect-error: a misspelt option
      assert.throws(() => engine().compile((x: tf.Tensor) => x, { jit: true }), OptionsError);
    });

    /** A step that adds rows of `x` to `total`; TensorFlow finds the `bad` ones outside as it runs. */
    const picksLater = () => {
      const total = variable(tf.zeros([2]));
      const add = (x: tf.Tensor, rows: tf.Tensor1D) => {
        const picked = tf.gather(x, rows);
        total.assign(total.add(picked));
        return picked.sum();
      };
      const step = engine().compile(add, { later: true });
      const [x, good, bad] = [tf.range(0, 3), tf.tensor1d([2, 1], 'int32'), tf.tensor1d([3, 0], 'int32')];
      return { total, step, x, good, bad };
    };

    it('with `later`, what fails as it runs, where it is read or at the next call, and puts variables back', () => {
      const { total, step, x, good, bad } = picksLater();
      const valueOf = (rows: tf.Tensor1D) => tf.tidy(() => step(x, rows).dataSync()[0]);
      assert.deepEqual([valueOf(good), valueOf(good)], [3, 3]);
      const held = engine().statistics().liveTensors;
      for (let i = 0; i < 3; i++) {
        assert.match(thrownBy(() => valueOf(bad)).message, /= 3 is not in \[0, 3\)/u);
        assert.deepEqual([...total.dataSync()], [4 + 2 * i, 2 + i]);
        assert.equal(valueOf(good), 3);
      }
      step(x, bad).dispose(); // nobody reads it
      assert.match(thrownBy(() => step(x, good)).message, /= 3 is not in \[0, 3\)/u);
      assert.deepEqual([...total.dataSync()], [10, 5]);
      assert.equal(valueOf(good), 3);
      assert.ok(engine().statistics().liveTensors <= held + 1, 'what was kept to go back to is let go');
      tf.dispose([x, good, bad, total]);
      step.dispose();
    });

    it('with `later`, what fails while somebody waits for it, where it is read', async () => {
      const { total, step, x, good, bad } = picksLater();
      const valueOf = async (rows: tf.Tensor1D) => {
        const sum = step(x, rows);
        try {
          await engine().computed!();
          return sum.dataSync()[0];
        } finally {
          sum.dispose();
        }
      };
      assert.deepEqual([await valueOf(good), await valueOf(good)], [3, 3]);
      await assert.rejects(valueOf(bad), /= 3 is not in \[0, 3\)/u);
      assert.deepEqual([...total.dataSync()], [4, 2]);
      assert.equal(await valueOf(good), 3);
      tf.dispose([x, good, bad, total]);
      step.dispose();
    });

    /** A step that has run once, and an argument with which it fails as it runs. */
    const failing = () => {
      const picks = picksLater();
      const { total, step, x, good, bad } = picks;
      step(x, good).dispose();
      return { ...picks, all: [total, x, good, bad] };
    };
    const isOutOfRange = (action: () => unknown) => assert.match(thrownBy(action).message, /= 3 is not in \[0, 3\)/u);

    it('with `later`, what fails and whose function is disposed, once: at the next read', () => {
      const made = functions();
      const { total, step, x, bad, all } = failing();
      step(x, bad).dispose();
      step.dispose();
      assert.equal(functions(), made, 'all is freed');
      isOutOfRange(() => total.dataSync());
      assert.deepEqual([...total.dataSync()], [2, 1]);
      tf.dispose(all);
    });

    it('with `later`, what fails, once: at the next call of another step, or of one operation on what it gave', () => {
      const { total, step, x, good, bad, all } = failing();
      const other = engine().compile((y: tf.Tensor) => y.add(1));
      step(x, bad).dispose();
      isOutOfRange(() => other(x));
      assert.deepEqual(
        tf.tidy(() => other(x).arraySync()),
        [1, 2, 3],
      );
      const sum = step(x, bad);
      isOutOfRange(() => tf.tidy(() => sum.add(1).dataSync()));
      sum.dispose();
      step(x, good).dispose();
      assert.deepEqual([...total.dataSync()], [4, 2]);
      tf.dispose(all);
      step.dispose();
      other.dispose();
    });

    it('with `later`, what fails, though another operation fails for a reason of its own before', () => {
      const { total, step, x, bad, all } = failing();
      step(x, bad).dispose();
      assert.match(
        thrownBy(() => tf.tidy(() => tf.gather(x, tf.tensor1d([7], 'int32')).dataSync())).message,
        /= 7 is/u,
      );
      isOutOfRange(() => total.dataSync());
      assert.deepEqual([...total.dataSync()], [2, 1]);
      tf.dispose(all);
      step.dispose();
    });

    it('with `later`, gives what it gives else, bit for bit', () => {
      const [initial, x] = [wavy([4, 4]), wavy([4, 4], 1)];
      const trained = [false, true].map((later) => {
        const w = variable(initial.clone());
        const step = engine().compile(
          (input: tf.Tensor2D, rate: tf.Scalar) => {
            const { value, grads } = tf.variableGrads(() => bend(tf.matMul(input, w as tf.Tensor2D)).asScalar(), [w]);
            w.assign(w.sub(grads[w.name]!.mul(rate)));
            return value;
          },
          { later },
        );
        const losses = Array.from({ length: 20 }, (_, i) =>
          tf.tidy(() => step(x as tf.Tensor2D, tf.scalar(0.01 * (i + 1))).dataSync()[0]),
        );
        const values = [...w.dataSync()];
        w.dispose();
        step.dispose();
        return { losses, values };
      });
      assert.deepEqual(trained[1], trained[0]);
      tf.dispose([initial, x]);
    });

    it('shapes that do not fit, in TensorFlow’s words', () => {
      const error = thrownBy(() =>
        tf.tidy(() => engine().compile((x: tf.Tensor) => tf.concat([x, tf.ones([2, 3])]))(tf.ones([2, 2]))),
      );
      assert.match(error.message, /concat/iu);
    });

    it('indices out of range when it runs, and goes on working', () => {
      const step = engine().compile((x: tf.Tensor, at: tf.Tensor1D) => tf.gather(x, at));
      scoped(() => {
        const x = tf.tensor1d([5, 6, 7]);
        assert.deepEqual(step(x, tf.tensor1d([2], 'int32')).arraySync(), [7]);
        const error = thrownBy(() => step(x, tf.tensor1d([3], 'int32')));
        assert.ok(error instanceof EngineError);
        assert.match(error.message, /indices\[0\] = 3 is not in \[0, 3\)/u);
        assert.deepEqual(step(x, tf.tensor1d([0], 'int32')).arraySync(), [5]);
      });
      step.dispose();
    });
  });
});
