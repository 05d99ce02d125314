import assert from 'node:assert/strict';
import { EngineError } from '../../../../src/errors.ts';
import { CudnnSwitch } from '../../../../src/engine/tensorflow/cudnn/cudnn-switch.ts';
import { warningsOf } from './warnings.ts';

describe('CudnnSwitch', () => {
  const failure = (tensorflow: string) => new EngineError(`step: ${tensorflow}`, { tensorflow });

  it('tries cuDNN once, at the first use', () => {
    let trials = 0;
    const cudnn = new CudnnSwitch(() => {
      trials++;
      return 4e-4;
    });
    assert.equal(cudnn.state, 'untried');
    assert.ok(cudnn.usable() && cudnn.usable());
    assert.equal(trials, 1);
    assert.equal(cudnn.state, 'on');
  });

  for (const wrong of [0.02, NaN, Infinity]) {
    it(`turns it off with one warning where results are off by ${wrong}`, () => {
      const cudnn = new CudnnSwitch(() => wrong);
      const warnings = warningsOf(() => assert.ok(!cudnn.usable() && !cudnn.usable()));
      assert.equal(warnings.length, 1);
      assert.match(String(warnings[0]), /LSTM layers run as loops.*off by/u);
      assert.equal(cudnn.state, 'off');
    });
  }

  it('turns it off where the operation fails', () => {
    const cudnn = new CudnnSwitch(() => {
      throw failure("No OpKernel was registered to support Op 'CudnnRNNV3'");
    });
    assert.match(String(warningsOf(() => assert.ok(!cudnn.usable()))), /CudnnRNNV3/u);
  });

  it('hides no error of another kind', () => {
    const cudnn = new CudnnSwitch(() => {
      throw new TypeError('a mistake');
    });
    assert.throws(() => cudnn.usable(), /a mistake/u);
  });

  it('gives it up for an error of cuDNN, and says that what failed should be run again', () => {
    const cudnn = new CudnnSwitch(() => 0);
    cudnn.usable();
    const error = failure('Failed to call DoRnnForward with model config: [rnn_mode, …]: 2, 0, 0');
    assert.equal(warningsOf(() => assert.ok(cudnn.giveUp(error))).length, 1);
    assert.equal(cudnn.state, 'off');
    assert.equal(cudnn.giveUp(error), false);
  });

  it('keeps it for other errors', () => {
    const cudnn = new CudnnSwitch(() => 0);
    cudnn.usable();
    assert.equal(cudnn.giveUp(failure('OOM when allocating tensor with shape[640,64,1024]')), false);
    assert.equal(cudnn.giveUp(new Error('CudnnRNNV3')), false);
    assert.ok(cudnn.usable());
  });
});
