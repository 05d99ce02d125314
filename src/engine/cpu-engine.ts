import * as tf from '@tensorflow/tfjs';
import type { Engine } from './engine.ts';
import { compileWithinTidy } from './within-tidy.ts';

/** Activates the plain JavaScript backend: slow, everywhere, the reference for the others. */
export async function cpuEngine(): Promise<Engine> {
  await tf.setBackend('cpu');
  // The backend prints a banner about tfjs-node at its first tensor, and knows by this flag that it has.
  Object.assign(tf.backend(), { firstUse: false });
  return {
    name: 'cpu',
    description: `plain JavaScript, tfjs ${tf.version_core}, the reference`,
    compile: compileWithinTidy,
  };
}
