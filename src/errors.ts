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

/** What an error says; JavaScript throws anything. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The first line of what an error says, where a library writes several. */
export const firstLineOf = (error: unknown): string => messageOf(error).split('\n', 1)[0]!;

/** Builds an error class of one code, so that `instanceof` and `code` say the same. */
const errorOf = <Code extends ErrorCode>(code: Code, name: string) =>
  class extends TaustreamError {
    override readonly name = name;
    declare readonly code: Code;
    constructor(message: string, facts?: ErrorFacts, options?: ErrorOptions) {
      super(code, message, facts, options);
    }
  };

/**
 * An option is unknown, out of range, or does not fit another.
 * @example
 * try {
 *   schemeOf('upper-bond');
 * } catch (error) {
 *   if (error instanceof OptionsError) console.log(error.facts); // { choice: 'upper-bond' }
 * }
 */
export class OptionsError extends errorOf('ERR_OPTIONS', 'OptionsError') {}

/**
 * A tensor or column has another shape or type than asked for.
 * @example
 * new ShapeError('Column `x`: expected [28, 28, 1], got [784]. Reshape it.', { column: 'x' }).code; // 'ERR_SHAPE'
 */
export class ShapeError extends errorOf('ERR_SHAPE', 'ShapeError') {}

/**
 * A corpus is missing, empty, or cannot be read.
 * @example
 * await corpus('no-such-folder').catch((error: unknown) => {
 *   if (error instanceof CorpusError) console.log(error.message);
 * });
 */
export class CorpusError extends errorOf('ERR_CORPUS', 'CorpusError') {}

/**
 * One shard is corrupt, cut short, or not what its manifest says.
 * @example
 * new ShardError(
 *   'part-3.bin: expected 4,096 bytes, got 4,000. Pack it anew.', { file: 'part-3.bin' },
 * ).code; // 'ERR_SHARD'
 */
export class ShardError extends errorOf('ERR_SHARD', 'ShardError') {}

/**
 * A label lies outside the classes.
 * @example
 * new LabelError(
 *   'Sample d:7: expected a class below 10, got 12. Mend the label.', { id: 'd:7', label: 12 },
 * ).code; // 'ERR_LABEL'
 */
export class LabelError extends errorOf('ERR_LABEL', 'LabelError') {}

/**
 * A score is NaN, infinite or negative.
 * @example
 * new ScoreError(
 *   'My scheme: expected a finite score of d:7, got NaN. Lower the learning rate.', { id: 'd:7' },
 * ).code; // 'ERR_SCORE'
 */
export class ScoreError extends errorOf('ERR_SCORE', 'ScoreError') {}

/**
 * A table of scores by sample id outgrows its limit, or ids are not stable.
 * @example
 * const table = new ScoreTable({ historyLimit: 1 });
 * try {
 *   table.update(['d:0', 'd:1'], [1, 1]);
 * } catch (error) {
 *   if (error instanceof HistoryError) console.log(error.facts); // { limit: 1, id: 'd:1' }
 * }
 */
export class HistoryError extends errorOf('ERR_HISTORY', 'HistoryError') {}

/**
 * The training loss is NaN or infinite.
 * @example
 * new LossError(
 *   'Step 12: expected a finite loss, got NaN. Lower the learning rate.', { step: 12 },
 * ).code; // 'ERR_LOSS'
 */
export class LossError extends errorOf('ERR_LOSS', 'LossError') {}

/**
 * A model's head, loss or optimizer cannot be used.
 * @example
 * new ModelError(
 *   'My scheme: expected a loss of single samples, got triplets. Compile the model with another.',
 * ).code; // 'ERR_MODEL'
 */
export class ModelError extends errorOf('ERR_MODEL', 'ModelError') {}

/**
 * An engine is missing, broken, or lacks an operation.
 * @example
 * new EngineError(
 *   'wasm: expected the kernel `Scan`, got none. Choose another engine.', { kernel: 'Scan' },
 * ).code; // 'ERR_ENGINE'
 */
export class EngineError extends errorOf('ERR_ENGINE', 'EngineError') {}

/**
 * A step cannot be compiled as it is written.
 * @example
 * new CompileError(
 *   'My step: expected tensors alone, got a number read on the host. Pass it as an argument.',
 * ).code; // 'ERR_COMPILE'
 */
export class CompileError extends errorOf('ERR_COMPILE', 'CompileError') {}

/**
 * A pipeline file cannot be loaded, or is incomplete.
 * @example
 * new PipelineError(
 *   'mine.ts: expected a default export, got none. Export the pipeline.', { file: 'mine.ts' },
 * ).code; // 'ERR_PIPELINE'
 */
export class PipelineError extends errorOf('ERR_PIPELINE', 'PipelineError') {}

/**
 * A run's folder or checkpoint cannot be read or written.
 * @example
 * new RunError(
 *   'runs/mine: expected a run, got an empty folder. Name another.', { folder: 'runs/mine' },
 * ).code; // 'ERR_RUN'
 */
export class RunError extends errorOf('ERR_RUN', 'RunError') {}

/**
 * Scoring in another process cannot be set up, died, hung, or broke the protocol.
 * @example
 * new PlacementError('Scorer: expected scores within 60 s, got none. Look at its output.').code; // 'ERR_PLACEMENT'
 */
export class PlacementError extends errorOf('ERR_PLACEMENT', 'PlacementError') {}

/**
 * Trainers that average their gradients cannot meet, differ, or one of them is lost.
 * @example
 * new ParallelError('Trainer 1: expected the others at step 40, got no answer from trainer 0. Start it again.', {
 *   rank: 0,
 * }).code; // 'ERR_PARALLEL'
 */
export class ParallelError extends errorOf('ERR_PARALLEL', 'ParallelError') {}

/**
 * A trainer in another process cannot be reached, or broke the protocol.
 * @example
 * new ConsumerError('Consumer: expected an answer, got the end of the stream. Start it again.').code; // 'ERR_CONSUMER'
 */
export class ConsumerError extends errorOf('ERR_CONSUMER', 'ConsumerError') {}

/**
 * A server, trainer or worker on another machine cannot be reached, refused, or broke the protocol.
 * @example
 * new ClusterError(
 *   'Worker 3: expected scores of job 12, got those of 11. Update the worker.', { worker: 3 },
 * ).code; // 'ERR_CLUSTER'
 */
export class ClusterError extends errorOf('ERR_CLUSTER', 'ClusterError') {}

/**
 * A package or remote file cannot be had.
 * @example
 * new FetchError('mnist: expected a sha256 of aa…, got bb…. Fetch it again.', { name: 'mnist' }).code; // 'ERR_FETCH'
 */
export class FetchError extends errorOf('ERR_FETCH', 'FetchError') {}
