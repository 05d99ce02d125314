import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { scan, type ScanStep } from '../../src/engine/scan.ts';
import { ShapeError } from '../../src/errors.ts';
import { useTestEngine } from '../test-engine.ts';

const add: ScanStep = ([sum], [a]) => ({ carry: [tf.add(sum!, a!)], outputs: [] });

describe('scan', () => {
  before(useTestEngine);

  for (const [what, shapes] of [
    ['of two lengths', [[3], [2]]],
    ['without a length', [[]]],
    ['that are none', []],
  ] as const) {
    it(`refuses sequences ${what}`, () => {
      tf.tidy(() => {
        const sequences = shapes.map((shape) => tf.ones([...shape]));
        assert.throws(() => scan(add, { carry: [tf.scalar(0)], sequences }), ShapeError);
      });
    });
  }
});
