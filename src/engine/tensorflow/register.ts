/** Makes the engine known under its name; `use-engine.ts` imports this when it is asked for. */
import { registerEngine } from '../use-engine.ts';
import { isInstalled } from './install/installation.ts';
import { loadTensorflow } from './tensorflow-engine.ts';

registerEngine('tensorflow', { isInstalled: () => isInstalled(), start: loadTensorflow });
