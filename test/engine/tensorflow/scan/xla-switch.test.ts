import assert from 'node:assert/strict';
import { EngineError } from '../../../../src/errors.ts';
import { XlaSwitch } from '../../../../src/engine/tensorflow/scan/xla-switch.ts';

describe('XlaSwitch', () => {
  const failure = (tensorflow: string) => new EngineError(`step: ${tensorflow}`, { tensorflow });
  const quietly = <T>(action: () => T): { result: T; warnings: number } => {
    const emitWarning = process.emitWarning.bind(process);
    let warnings = 0;
    process.emitWarning = () => void warnings++;
    try {
      return { result: action(), warnings };
    } finally {
      process.emitWarning = emitWarning;
    }
  };

  it('gives XLA up once, for an error of XLA', () => {
    const xla = new XlaSwitch(true);
    const error = failure("No registered 'XlaLaunch' OpKernel for CPU devices");
    assert.ok(quietly(() => xla.giveUp(error)).result);
    assert.equal(xla.on, false);
    assert.equal(xla.giveUp(error), false);
  });

  it('keeps it for other errors', () => {
    const xla = new XlaSwitch(true);
    assert.equal(xla.giveUp(failure('indices[0] = 3 is not in [0, 3)')), false);
    assert.equal(xla.giveUp(new Error('XLA')), false);
    assert.ok(xla.on);
  });
});
