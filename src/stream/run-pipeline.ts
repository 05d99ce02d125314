import type { Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Sink } from './stage.ts';

/**
 * Runs a source, stages and a sink as one Node pipeline, and gives the sink's own result or error.
 *
 * Node's `pipeline` alone answers a sink that stops early with an AbortError of its own, and even hides an error that the
 * sink threw behind it; an error of the source or a stage, and an abort by `signal`, come through as they are.
 *
 * @returns what the sink returned; by then the streams are destroyed and their `finally` blocks are on their way
 * @throws {unknown} whatever the source, a stage or the sink threw, or the signal's reason
 * @example
 * const stage = asTransform(presample({ schema, gate, presampleSize: 128, batchSize: 32 }), 1);
 * const count = await runPipeline([asReadable(samples, 64), stage], async (buffers: AsyncIterable<Presample>) => {
 *   let size = 0;
 *   for await (const buffer of buffers) {
 *     size += buffer.size;
 *     buffer.release();
 *   }
 *   return size;
 * });
 */
export async function runPipeline<In, Result>(
  streams: readonly [Readable, ...Duplex[]],
  sink: Sink<In, Result>,
  signal?: AbortSignal,
): Promise<Result> {
  const stop = new AbortController();
  let outcome: { readonly result: Result } | { readonly error: unknown } | undefined;
  const end = async (items: AsyncIterable<In>) => {
    try {
      outcome = { result: await sink(items) };
    } catch (error) {
      outcome = { error };
    }
    stop.abort(); // whatever the sink has not taken is not wanted any more
  };
  const both = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const failure = await pipeline([...streams, end] as unknown as [Readable, Duplex], { signal: both }).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome && 'result' in outcome) return outcome.result;
  signal?.throwIfAborted();
  // An error upstream reaches the sink as its source's error, and one of the sink's own reaches the pipeline as an abort.
  throw outcome && isAbort(failure) ? outcome.error : failure;
}

const isAbort = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError';
