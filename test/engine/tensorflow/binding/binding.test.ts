import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs';
import { EngineError } from '../../../../src/errors.ts';
import { dataTypes } from '../../../../src/engine/tensorflow/binding/data-types.ts';
import { groupInputs } from '../../../../src/engine/tensorflow/binding/ops.ts';
import { collectGarbage } from '../../../collect-garbage.ts';
import { describeWithTensorflow } from '../with-tensorflow.ts';

describeWithTensorflow('Binding', (engine) => {
  const binding = () => engine().backend.engineBinding;

  it('computes what arithmetic says', () => {
    tf.tidy(() => {
      const product = tf.matMul(
        tf.tensor2d([
          [1, 2],
          [3, 4],
        ]),
        tf.tensor2d([
          [5, 6],
          [7, 8],
        ]),
      );
      assert.deepEqual(product.arraySync(), [
        [19, 22],
        [43, 50],
      ]);
      assert.deepEqual(tf.concat([tf.tensor1d([1, 2]), tf.tensor1d([3])]).arraySync(), [1, 2, 3]);
      assert.deepEqual(tf.addN([tf.scalar(1), tf.scalar(2), tf.scalar(3)]).arraySync(), 6);
      assert.deepEqual(
        tf.unstack(tf.tensor2d([[1], [2]])).map((row) => row.arraySync()),
        [[1], [2]],
      );
    });
  });

  it('keeps strings that another tensor shares, when the one that they came with is disposed', () => {
    const texts = ['a string of more than twenty-two bytes', 'another one, which does not fit into its place either'];
    const whole = tf.tensor(texts, [2], 'string');
    const shared = tf.reshape(whole, [1, 2]);
    whole.dispose();
    tf.tensor(['x'.repeat(38), 'y'.repeat(53)]).dispose(); // takes the room, were it free
    assert.deepEqual(shared.arraySync(), [texts]);
    shared.dispose();
  });

  it('carries every type that TensorFlow.js has there and back through an operation', () => {
    tf.tidy(() => {
      assert.deepEqual(tf.tensor1d([1, -2], 'int32').neg().dataSync(), Int32Array.of(-1, 2));
      assert.deepEqual(tf.tensor1d([true, false], 'bool').logicalNot().dataSync(), Uint8Array.of(0, 1));
      assert.deepEqual(tf.complex([1, 2], [3, -4]).dataSync(), Float32Array.of(1, 3, 2, -4));
      const long = 'naïve '.repeat(20);
      assert.deepEqual(tf.concat([tf.tensor1d(['ab', long]), tf.tensor1d([''])]).arraySync(), ['ab', long, '']);
      assert.deepEqual(tf.tensor2d([], [0, 3]).add(1).shape, [0, 3]);
    });
  });

  it('carries the types that TensorFlow.js has not, converted', () => {
    const run = binding();
    for (const [type, values, read] of [
      [dataTypes.int64, [1, -5], Int32Array.of(1, -5)],
      [dataTypes.uint8, [1, 255], Uint8Array.of(1, 255)],
      [dataTypes.float16, [0.1, -2], Float32Array.of(0.0999755859375, -2)],
      [dataTypes.bfloat16, [0.1, -2], Float32Array.of(0.10009765625, -2)],
      [dataTypes.float64, [0.1, -2], Float64Array.of(0.1, -2)],
    ] as const) {
      const input = run.createTensor([2], type, [...values]);
      const [output] = run.executeOp('Identity', [{ name: 'T', value: type }], [input], 1);
      assert.ok(output);
      assert.equal(output.dtype, type);
      assert.deepEqual(run.tensorDataSync(output.id), read);
      run.deleteTensor(input);
      run.deleteTensor(output.id);
    }
  });

  it('rounds to 16 bits as TensorFlow does', () => {
    const run = binding();
    const values = Float32Array.from({ length: 4000 }, (_, i) => Math.sin(i * 12.9898) * 10 ** ((i % 11) - 6));
    for (const type of [dataTypes.float16, dataTypes.bfloat16]) {
      const ours = run.createTensor([values.length], type, values);
      const full = run.createTensor([values.length], dataTypes.float32, values);
      const [theirs] = run.executeOp(
        'Cast',
        [
          { name: 'SrcT', value: dataTypes.float32 },
          { name: 'DstT', value: type },
        ],
        [full],
        1,
      );
      assert.ok(theirs);
      assert.deepEqual(run.tensorDataSync(ours), run.tensorDataSync(theirs.id));
      for (const id of [ours, full, theirs.id]) run.deleteTensor(id);
    }
  });

  it('says what to do when the device is out of memory', () => {
    // TensorFlow waits ten seconds for memory before it says so: only what it says is looked at here.
    const words = 'OOM when allocating tensor with shape[1048576,1048576] and type float on CPU:0';
    const error = binding().status.failure('MatMul()', words, 8, { op: 'MatMul' });
    assert.ok(error instanceof EngineError);
    assert.match(error.message, /^MatMul\(\): OOM .* CPU:0\. The device is out of memory: use a smaller batch/u);
    assert.equal(error.facts['code'], 8);
  });

  it('refuses to read an int64 that does not fit', () => {
    const run = binding();
    const id = run.createTensor([1], dataTypes.int64, BigInt64Array.of(2n ** 40n));
    assert.throws(() => run.tensorDataSync(id), /expected an int64 within 32 bits, got 1099511627776/u);
    run.deleteTensor(id);
  });

  it('names the operation, its inputs and TensorFlow’s reason', () => {
    const run = binding();
    const ids = [run.createTensor([2, 3], 1, new Float32Array(6)), run.createTensor([2, 3], 1, new Float32Array(6))];
    assert.throws(
      () => run.executeOp('MatMul', [], ids, 1),
      (error) => {
        assert.ok(error instanceof EngineError);
        assert.match(error.message, /^MatMul\(\[2,3\] float32, \[2,3\] float32\): .*[Ss]ize-incompatible.*\.$/u);
        assert.equal(error.facts['op'], 'MatMul');
        return true;
      },
    );
    assert.throws(() => run.executeOp('MatMul', [], ids.slice(1), 1), EngineError);
    for (const id of ids) run.deleteTensor(id);
  });

  it('refuses what does not exist or does not fit', () => {
    const run = binding();
    const id = run.createTensor([1], 1, [1]);
    assert.throws(() => run.executeOp('NoSuchOp', [], [], 1), /NoSuchOp/u);
    assert.throws(
      () => run.executeOp('Neg', [{ name: 'colour', value: 1 }], [id], 1),
      /Neg: attribute `colour` expects one of T/u,
    );
    assert.throws(
      () => run.executeOp('Sum', [{ name: 'keep_dims', value: 'yes' }], [id, id], 1),
      /`keep_dims` expects bool, got "yes"/u,
    );
    assert.throws(() => run.createTensor([3], 1, [1, 2]), /expected 3 values of float32, got 2/u);
    assert.throws(() => run.createTensor([1], dataTypes.resource, [1]), /resource cannot be made from values/u);
    run.deleteTensor(id);
    assert.throws(() => run.executeOp('Neg', [], [id], 1), /used after it was disposed/u);
  });

  it('knows the operations from the library itself', () => {
    const { definitions } = binding();
    assert.ok(definitions.size > 1000);
    const concat = definitions.get('ConcatV2');
    assert.deepEqual(concat.inputs, [
      { name: 'values', isList: true, listedBy: 'N' },
      { name: 'axis', isList: false },
    ]);
    assert.deepEqual(
      [...concat.attributes],
      [
        ['N', 'int'],
        ['T', 'type'],
        ['Tidx', 'type'],
      ],
    );
    assert.deepEqual(groupInputs(concat, [], [5, 6, 7]), [[5, 6], 7]);
    const conditional = definitions.get('IfTakesNoSuchName'.slice(0, 2));
    assert.equal(conditional.attributes.get('then_branch'), 'func');
    const twoLists = definitions.get('IdentityN');
    assert.deepEqual(groupInputs(twoLists, [], [1, 2]), [[1, 2]]);
    assert.throws(() => groupInputs(definitions.get('MatMul'), [], [1]), /MatMul: expected 2 inputs \(a, b\), got 1/u);
  });

  it('holds as many tensors after 5,000 operations as before', () => {
    const { liveTensors } = engine().statistics();
    for (let i = 0; i < 1000; i++)
      tf.tidy(() =>
        tf
          .matMul(tf.ones([8, 8]), tf.eye(8).mul(i))
          .sum()
          .add(1)
          .sqrt()
          .dataSync(),
      );
    assert.equal(engine().statistics().liveTensors, liveTensors);
  });

  it('frees a tensor that was forgotten once it is collected', async () => {
    collectGarbage();
    await turn();
    collectGarbage();
    await turn();
    const { liveTensors } = engine().statistics();
    const before = tf.memory().numTensors;
    const [a, b] = [tf.tensor1d([1, 2]), tf.tensor1d([1, 2, 3])];
    (() => void tf.outerProduct(a, b))();
    assert.equal(engine().statistics().liveTensors, liveTensors + 3);
    tf.dispose([a, b]);
    for (let i = 0; i < 20 && engine().statistics().liveTensors > liveTensors; i++) {
      collectGarbage();
      await turn();
    }
    assert.equal(engine().statistics().liveTensors, liveTensors);
    // TensorFlow.js counts what was forgotten for ever; the count of this suite is put right.
    const { state } = tf.engine();
    state.numTensors = before;
  });
});
