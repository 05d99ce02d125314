import * as tf from '@tensorflow/tfjs';
import { EngineError } from '../errors.ts';
import { atUserPlace } from './place.ts';

type RunKernel = ReturnType<typeof tf.engine>['runKernel'];
type KernelInputs = Parameters<RunKernel>[1];

/** TensorFlow.js' own `runKernel` while another stands in its place. */
let plain: RunKernel | undefined;

/** Whether operations are being recorded, which give no numbers yet. */
let recording = false;

/** Whether every operation is looked at: then steps are not compiled. */
export const isDebugging = (): boolean => plain !== undefined;

/**
 * Looks at what every operation gives, from now on or no more: one that gives NaN is an error that names it, its inputs
 * and the place. Each result is read for that, which is slow.
 */
export function setDebugging(on: boolean): void {
  const engine = tf.engine();
  if (!on && plain) {
    // the class' own comes to light again
    Reflect.deleteProperty(engine, 'runKernel');
    plain = undefined;
  }
  if (!on || plain) return;
  const run: RunKernel = engine.runKernel.bind(engine);
  plain = run;
  engine.runKernel = (kernel, inputs, attributes) => {
    const made = run(kernel, inputs, attributes);
    if (!recording) checkResults(kernel, inputs, made);
    // as `run` has it
    return made as never;
  };
}

/** Runs `record`, whose operations give no numbers yet, without a look at them. */
export function whileRecording<T>(record: () => T): T {
  const before = recording;
  recording = true;
  try {
    return record();
  } finally {
    recording = before;
  }
}

/** @throws {EngineError} when `made` by `kernel` holds NaN */
export function checkResults(kernel: string, inputs: KernelInputs, made: unknown): void {
  for (const result of tensorsOf(made)) {
    const count = countNaN(result);
    if (count === 0 || isDiscarded()) continue;
    const named = Object.entries(inputs).flatMap(([name, value]) =>
      tensorsOf(value).map((tensor) => ({ name, tensor })),
    );
    const spoilt = named.find(({ tensor }) => countNaN(tensor) > 0);
    const call = `${kernel}(${named.map(({ tensor }) => `[${tensor.shape.join(',')}] ${tensor.dtype}`).join(', ')})`;
    throw new EngineError(
      spoilt
        ? `debug: ${call}: expected numbers, got NaN in its input \`${spoilt.name}\`${atUserPlace()}. Look for NaN in the data and the weights.`
        : `debug: ${call}: expected numbers, got NaN in ${count} of ${result.size} results${atUserPlace()}. Keep its inputs where it is defined, or lower the learning rate.`,
      { kernel, count, input: spoilt?.name },
    );
  }
}

const tensorsOf = (value: unknown): tf.Tensor[] =>
  [value].flat(2).filter((each): each is tf.Tensor => each instanceof tf.Tensor && !each.isDisposed);

function countNaN(tensor: tf.Tensor): number {
  if (tensor.dtype !== 'float32') return 0;
  return tensor.dataSync<'float32'>().reduce((count, value) => count + Number(Number.isNaN(value)), 0);
}

/** `tf.divNoNan` divides 0 by 0 and puts zeros there afterwards. */
const isDiscarded = (): boolean => /\bdivNoNan_/u.test(new Error('where').stack ?? '');
