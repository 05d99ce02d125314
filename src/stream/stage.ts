/**
 * A stage turns one stream of items into another. It is a plain async generator function: testable with an array,
 * composable by calling, and a valid transform of Node's `pipeline` as it is.
 *
 * A stage never returns before its source ends; to stop early, break out of the consumer or abort the signal.
 */
export type Stage<In, Out> = (source: AsyncIterable<In>) => AsyncGenerator<Out, void, void>;

/** The end of a pipeline: takes every item and returns when the source ends. */
export type Sink<In, Result = void> = (source: AsyncIterable<In>) => Promise<Result>;
