/**
 * Every error that the toolkit throws for bad input. Callers match on `code`, never on the message.
 *
 * A message is one line, in the order: where, what was expected, what came, what to do.
 */
export type ErrorCode =
  | 'ERR_OPTIONS' // an option is unknown, out of range, or does not fit another
  | 'ERR_SHAPE' // a tensor or column has another shape or type than asked for
  | 'ERR_CORPUS' // a corpus is missing, empty, or cannot be read
  | 'ERR_SHARD' // one shard is corrupt, truncated, or not what its manifest says
  | 'ERR_LABEL' // a label lies outside the classes
  | 'ERR_SCORE' // a score is NaN, infinite or negative
  | 'ERR_HISTORY' // a table of scores by sample id outgrows its limit, or ids are not stable
  | 'ERR_LOSS' // the training loss is NaN or infinite
  | 'ERR_MODEL' // a model's head, loss or optimizer cannot be used
  | 'ERR_ENGINE' // an engine is missing, broken, or lacks an operation
  | 'ERR_COMPILE' // a step cannot be compiled as it is written
  | 'ERR_PIPELINE' // a pipeline file cannot be loaded or is incomplete
  | 'ERR_RUN' // a run folder or checkpoint cannot be read or written
  | 'ERR_PLACEMENT' // scoring in another process cannot be set up, died, hung, or breaks the protocol
  | 'ERR_PARALLEL' // trainers cannot join each other, one of them is lost, or their parameters differ
  | 'ERR_CONSUMER' // a trainer in another process cannot be reached, or breaks the protocol
  | 'ERR_CLUSTER' // a server, trainer or worker on another machine cannot be reached, refuses, or breaks the protocol
  | 'ERR_FETCH'; // a package or remote file cannot be had

/** The facts behind an error: ids, paths, expected and actual values, for callers that report them in their own way. */
export type ErrorFacts = Readonly<Record<string, unknown>>;

/**
 * Base of every error thrown for bad input.
 *
 * @example
 * try {
 *   schemeOf('upper-bond');
 * } catch (error) {
 *   if (error instanceof TaustreamError) console.log(error.code, error.message);
 * }
 */
export class TaustreamError extends Error {
  override readonly name: string = 'TaustreamError';
  readonly code: ErrorCode;
  readonly facts: ErrorFacts;

  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.facts = facts;
  }
}

/**
 * Whether an error is one of these, of this copy of the package or another: a file that Node takes for CommonJS gets a
 * copy of its own.
 * @example
 * await corpus('no-such-folder').catch((error: unknown) => {
 *   if (isTaustreamError(error) && error.code === 'ERR_CORPUS') console.log(error.message);
 * });
 */
export const isTaustreamError = (error: unknown): error is TaustreamError =>
  error instanceof TaustreamError ||
  (error instanceof Error && 'facts' in error && 'code' in error && String(error.code).startsWith('ERR_'));

/** Builds an error class of one code, so that `instanceof` and `code` say the same. */
const errorOf = <Code extends ErrorCode>(code: Code, name: string) =>
  class extends TaustreamError {
    override readonly name = name;
    declare readonly code: Code;
    constructor(message: string, facts?: ErrorFacts, options?: ErrorOptions) {
      super(code, message, facts, options);
    }
  };

export class OptionsError extends errorOf('ERR_OPTIONS', 'OptionsError') {}
export class ShapeError extends errorOf('ERR_SHAPE', 'ShapeError') {}
export class CorpusError extends errorOf('ERR_CORPUS', 'CorpusError') {}
export class ShardError extends errorOf('ERR_SHARD', 'ShardError') {}
export class LabelError extends errorOf('ERR_LABEL', 'LabelError') {}
export class ScoreError extends errorOf('ERR_SCORE', 'ScoreError') {}
export class HistoryError extends errorOf('ERR_HISTORY', 'HistoryError') {}
export class LossError extends errorOf('ERR_LOSS', 'LossError') {}
export class ModelError extends errorOf('ERR_MODEL', 'ModelError') {}
export class EngineError extends errorOf('ERR_ENGINE', 'EngineError') {}
export class CompileError extends errorOf('ERR_COMPILE', 'CompileError') {}
export class PipelineError extends errorOf('ERR_PIPELINE', 'PipelineError') {}
export class RunError extends errorOf('ERR_RUN', 'RunError') {}
export class PlacementError extends errorOf('ERR_PLACEMENT', 'PlacementError') {}
export class ParallelError extends errorOf('ERR_PARALLEL', 'ParallelError') {}
export class ConsumerError extends errorOf('ERR_CONSUMER', 'ConsumerError') {}
export class ClusterError extends errorOf('ERR_CLUSTER', 'ClusterError') {}
export class FetchError extends errorOf('ERR_FETCH', 'FetchError') {}
