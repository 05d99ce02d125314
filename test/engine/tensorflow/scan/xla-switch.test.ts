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

  it('gives XLA up once, for an error of XLA, and says so when the step works without it', () => {
    const xla = new XlaSwitch(true);
    const error = failure("No registered 'XlaLaunch' OpKernel for CPU devices");
    const { result: retry, warnings } = quietly(() => xla.giveUp(error));
    assert.ok(retry);
    assert.equal(warnings, 0);
    assert.equal(xla.on, false);
    assert.equal(quietly(() => retry.succeeded?.()).warnings, 1);
    assert.equal(xla.on, false);
    assert.equal(xla.giveUp(error), undefined);
  });

  it('turns it on again when the step fails without XLA too', () => {
    const xla = new XlaSwitch(true);
    const error = failure('XLA cannot compile this');
    for (let i = 0; i < 2; i++) {
      const { warnings } = quietly(() => xla.giveUp(error)?.failed?.());
      assert.equal(warnings, 0);
      assert.ok(xla.on);
    }
  });

  it('keeps it for other errors', () => {
    const xla = new XlaSwitch(true);
    assert.equal(xla.giveUp(failure('indices[0] = 3 is not in [0, 3)')), undefined);
    assert.equal(xla.giveUp(new Error('XLA')), undefined);
    assert.ok(xla.on);
  });
});
