import * as tf from '@tensorflow/tfjs';
import { isInstalled, loadTensorflow, type TensorflowEngine } from '../../../src/engine/tensorflow/index.ts';

const installed = await isInstalled();

/**
 * Describes tests that need TensorFlow: they run where it is installed, and are skipped by name where it is not. Each
 * test has to leave as many tensors as it found.
 */
export function describeWithTensorflow(title: string, body: (engine: () => TensorflowEngine) => void): void {
  const skip = ' (skipped: TensorFlow is not installed; `npx taustream engine install`)';
  (installed ? describe : describe.skip)(installed ? title : title + skip, () => {
    let engine: TensorflowEngine | undefined;
    let previous = '';
    let tensors = 0;
    const loaded = () => {
      if (!engine) throw new Error('used before the engine was loaded');
      return engine;
    };
    before(async () => {
      previous = tf.getBackend();
      engine = await loadTensorflow();
    });
    beforeEach(() => {
      tensors = tf.memory().numTensors;
    });
    afterEach(() => {
      const now = tf.memory().numTensors;
      if (now !== tensors) throw new Error(`the test leaves ${now - tensors} tensors`);
    });
    after(async () => {
      if (previous) await tf.setBackend(previous);
    });
    body(loaded);
  });
}
