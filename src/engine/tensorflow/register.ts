import { registerEngine } from '../use-engine.ts';
import { isInstalled } from './install/installation.ts';

// The binding and tfjs-node's kernels take half a second to load, so they wait until the engine is really started.
registerEngine('tensorflow', {
  isInstalled: () => isInstalled(),
  async start(options) {
    const { loadTensorflow } = await import('./tensorflow-engine.ts');
    return loadTensorflow(options);
  },
});
