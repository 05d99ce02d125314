import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import type { CudnnInputs } from '../../../../src/engine/tensorflow/cudnn/operations.ts';
import { createRng } from '../../../../src/stream/random.ts';
import { plainCudnn } from './plain-cudnn.ts';

describe('plainCudnn', () => {
  const [steps, batch, inputSize, size] = [4, 2, 3, 2];
  const shapes = {
    x: [steps, batch, inputSize],
    hidden: [1, batch, size],
    cell: [1, batch, size],
    parameters: [4 * size * (inputSize + size + 2)],
  };
  const lengths = [4, 2];
  const names = ['x', 'hidden', 'cell', 'parameters'] as const;
  const values = (shape: readonly number[], name: string) => {
    const rng = createRng(3, name);
    return Array.from({ length: tf.util.sizeFromShape([...shape]) }, () => 2 * rng.uniform() - 1);
  };

  before(() => tf.setBackend('cpu'));

  it('has the gradient that its loss has by finite differences, in every number that goes in', () => {
    tf.tidy(() => {
      const { operations } = plainCudnn();
      const given = Object.fromEntries(names.map((name) => [name, values(shapes[name], name)]));
      const inputs = (): CudnnInputs => {
        const [x, hidden, cell, parameters] = names.map((name) => tf.tensor(given[name]!, shapes[name]));
        return { x: x!, hidden: hidden!, cell: cell!, parameters: parameters!, lengths: tf.tensor1d(lengths, 'int32') };
      };
      const counts = (t: number, b: number) => t < lengths[b]!;
      const weights = values(shapes.x.with(2, size), 'weights').map((w, k) =>
        counts(Math.floor(k / (batch * size)), Math.floor(k / size) % batch) ? w : 0,
      );
      const last = values(shapes.cell, 'last');
      const loss = () => {
        const { outputs, lastCell } = operations.forward(inputs(), false);
        const sum = [...outputs.dataSync()].reduce(
          (total, y, k) => total + (weights[k] === 0 ? 0 : y * weights[k]!),
          0,
        );
        return [...lastCell.dataSync()].reduce((total, c, k) => total + c * last[k]!, sum);
      };
      const made = operations.forward(inputs(), true);
      const slopes = operations.backward(inputs(), made, {
        outputs: tf.tensor(weights, [steps, batch, size]),
        lastHidden: tf.zeros([1, batch, size]),
        lastCell: tf.tensor(last, [1, batch, size]),
      });
      const delta = 1e-2;
      for (const name of names) {
        const slope = slopes[name].dataSync();
        given[name]!.forEach((value, k) => {
          if (name === 'x' && !counts(Math.floor(k / (batch * inputSize)), Math.floor(k / inputSize) % batch)) return;
          const at = (shift: number) => {
            given[name]![k] = value + shift;
            return loss();
          };
          const difference = (at(delta) - at(-delta)) / (2 * delta);
          given[name]![k] = value;
          assert.ok(
            Math.abs(difference - slope[k]!) < 2e-3,
            `${name} [${k}]: ${slope[k]}, by differences ${difference}`,
          );
        });
      }
    });
  });
});
