import type { Writable } from 'node:stream';
import { ConsumerError } from '../errors.ts';
import type { Corpus } from '../stream/sample.ts';
import { encodeFrame, frameKinds } from './frames.ts';
import { columnsFrame } from './messages.ts';
import type { MinibatchOptions } from './minibatch-options.ts';
import { minibatches } from './minibatches.ts';
import type { ServeSummary } from './serve.ts';

/** A write's callback says first what went wrong; the event, if nobody heard it, would end the process. */
const ignore = () => {};

export interface WriteLimits {
  readonly steps?: number | undefined;
  readonly seconds?: number | undefined;
}

/**
 * Writes minibatches as frames (docs/frames.md) to a pipe or file. Nothing comes back on it, so all are uniform; what
 * can answer connects to `serveMinibatches`. The corpus is read no faster than the output takes.
 *
 * @throws {ConsumerError} when the output was closed before the end
 * @example
 * await writeMinibatches(corpus, { batchSize: 32, seed: 7 }, createWriteStream('batches'), { steps: 2 });
 */
export async function writeMinibatches(
  corpus: Corpus,
  options: Omit<MinibatchOptions, 'scorer'>,
  output: Writable,
  { steps = Infinity, seconds = Infinity }: WriteLimits = {},
): Promise<ServeSummary> {
  const [begun, { signal }] = [performance.now(), options];
  const batches = minibatches(corpus, options);
  output.on('error', ignore);
  const account = { batches: 0, samples: 0 };
  let stoppedBy: ServeSummary['stoppedBy'] = 'end';
  const write = (chunks: readonly Uint8Array[]) => writeAll(output, chunks, account.batches);
  try {
    const { name, schema, length } = corpus;
    const { batchSize = 128, presampleSize = 640 } = options;
    await write(
      encodeFrame(frameKinds.hello, { protocol: 'taustream', corpus: name, length, schema, batchSize, presampleSize }),
    );
    for await (const batch of batches) {
      account.batches += 1;
      account.samples += batch.size;
      const { ids, phase, tau, version, weights } = batch;
      const columns = {
        ...batch.columns,
        weights: { type: 'float32', shape: [weights.length], data: weights } as const,
      };
      await write(columnsFrame('batch', { batch: account.batches, phase, tau, version, ids }, columns));
      if (account.batches >= steps) stoppedBy = 'steps';
      else if (performance.now() - begun >= 1000 * seconds) stoppedBy = 'seconds';
      else continue;
      break;
    }
  } catch (error) {
    if (!signal?.aborted || error !== signal.reason) throw error;
    stoppedBy = 'signal';
  } finally {
    await batches.return();
  }
  await write(encodeFrame(frameKinds.end, { batches: account.batches, stoppedBy }));
  output.off('error', ignore);
  return { ...account, stoppedBy };
}

function writeAll(output: Writable, chunks: readonly Uint8Array[], given: number): Promise<void> {
  return new Promise((resolve, reject) => {
    for (const chunk of chunks.slice(0, -1)) output.write(chunk);
    output.write(chunks.at(-1)!, (cause) => {
      if (!cause) resolve();
      else
        reject(
          new ConsumerError(
            `Output: expected it to take every frame, but it was closed after ${given} batches (${cause.message}). Let the consumer read to the end, or ask for fewer steps.`,
            { given },
            { cause },
          ),
        );
    });
  });
}
