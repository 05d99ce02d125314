import * as tf from '@tensorflow/tfjs';

/** Activates the plain JavaScript backend without its advertisement. For suites that need tensors but no speed. */
export async function useCpu(): Promise<void> {
  await tf.setBackend('cpu');
  (tf.backend() as unknown as { firstUse: boolean }).firstUse = false;
}
