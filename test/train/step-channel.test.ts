import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { fit } from '../../src/train/fit.ts';
import type { StepMessage, StepRecord } from '../../src/train/step-record.ts';
import { useTestEngine } from '../test-engine.ts';
import { classifier, clusters } from './toy.ts';

describe('taustream:step', () => {
  before(useTestEngine);

  it('tells subscribers of the process every step, and the console nothing', async () => {
    const [told, seen, printed]: [StepMessage[], StepRecord[], unknown[]] = [[], [], []];
    const listen = (message: unknown) => told.push(message as StepMessage);
    const model = classifier();
    const { console: former } = globalThis;
    const record = (...args: unknown[]) => printed.push(args);
    globalThis.console = { ...former, log: record, info: record, warn: record, error: record };
    subscribe('taustream:step', listen);
    try {
      const options = { steps: 4, batchSize: 8, presampleSize: 24, seed: 1 };
      await fit(model, clusters().corpus, { ...options, onStep: (step) => void seen.push(step) });
    } finally {
      unsubscribe('taustream:step', listen);
      globalThis.console = former;
    }
    assert.deepEqual(
      told.map(({ record: step }) => step),
      seen,
    );
    assert.equal(told.length, 4);
    assert.equal(told[0]!.model, model);
    // tfjs itself greets once a process, and recommends its Node binding.
    assert.deepEqual(
      printed.filter((line) => !JSON.stringify(line).includes('TensorFlow.js')),
      [],
    );
    model.optimizer.dispose();
    model.dispose();
  });
});
