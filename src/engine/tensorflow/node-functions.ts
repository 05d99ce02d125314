import type { node } from '@tensorflow/tfjs-node-gpu/dist/node.js';

/** What TensorFlow.js for Node has under `tf.node`. */
export type NodeFunctions = typeof node;

/**
 * Loads the functions that TensorFlow.js for Node has under `tf.node`, for the engine `tensorflow`, which has to be
 * active: decoding and encoding images, saved models, TensorBoard summaries. All of them work; `tensorBoard`, a callback
 * for `Model.fit`, writes summaries as well.
 *
 * @example
 * const { decodeImage } = await nodeFunctions();
 * const pixels = decodeImage(await readFile('cat.jpg')); // [height, width, channels]
 */
export async function nodeFunctions(): Promise<NodeFunctions> {
  const module = await import('@tensorflow/tfjs-node-gpu/dist/node.js');
  return module.node;
}
