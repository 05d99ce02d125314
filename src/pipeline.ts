import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { type Engine, engineNames } from './engine/engine.ts';
import { PipelineError } from './errors.ts';
import { schemeOf } from './importance/schemes.ts';
import type { ExtraFiles } from './model/files.ts';
import { type OptimizerChoice, optimizerMaker } from './model/optimizer.ts';
import { parseOptions } from './options.ts';
import type { Limits } from './train/budget.ts';
import { schedule } from './train/schedule.ts';
import { FitValues, type FitOptions } from './train/fit-options.ts';
import type { Corpus } from './stream/sample.ts';

/** What a pipeline says in plain values: those of `fit`, and these. The command line may say otherwise. */
export const PipelineOptions = z
  .strictObject({
    ...FitValues.shape,
    /** Names the run's folder: letters, digits, `-`, `_` and `.`. */
    name: z.string().regex(/^\w[\w.-]*$/, { error: 'must be letters, digits, `-`, `_` and `.`: it names a folder' }),
    /** Where it computes. @default 'auto': the fastest that is installed */
    engine: z.enum([...engineNames, 'auto']).default('auto'),
  })
  .refine((o) => o.batchSize <= o.presampleSize, {
    path: ['batchSize'],
    error: 'must be at most `presampleSize`: a batch is drawn from it',
  });

/** A tfjs metric: of target and prediction, lower or higher as it likes. */
export type Metric = string | ((yTrue: tf.Tensor, yPred: tf.Tensor) => tf.Tensor);

/** What a pipeline's functions are told. */
export interface PipelineContext {
  readonly seed: number;
  readonly engine: Engine;
  /** What the command line gives with `--corpus`, for a pipeline that can be trained on other data than its own. */
  readonly corpusPath?: string;
  /** Aborts when the run is stopped. */
  readonly signal?: AbortSignal;
}

/** What a pipeline trains on. Whatever else it holds (a vocabulary, say) is handed on to `model` and `writes`. */
export interface PipelineCorpus {
  readonly train: Corpus;
  readonly validation?: Corpus;
  /** Saved beside the model, by file name: a text or bytes as they are, anything else as JSON. */
  readonly files?: ExtraFiles;
}

export interface ModelContext<Data extends PipelineCorpus> extends PipelineContext {
  readonly corpus: Data;
}

export interface TrainedContext<Data extends PipelineCorpus> extends ModelContext<Data> {
  /** The run's folder, for files of its own. */
  readonly folder: string;
  readonly model: tf.LayersModel;
}

export type Awaitable<Value> = Value | Promise<Value>;

/** Options of `fit` that are no plain values. */
export type FitChoices = Pick<FitOptions, 'scheme' | 'learningRate' | 'deriveMeasures'>;

/** A whole system: what it trains on, the model, and how. */
export interface PipelineDefinition<Data extends PipelineCorpus> extends z.input<typeof PipelineOptions>, FitChoices {
  /** Opens the corpus. */
  corpus(this: void, context: PipelineContext): Awaitable<Data>;
  /** Builds the model; it is disposed at the end of the run. */
  model(this: void, context: ModelContext<Data>): Awaitable<tf.LayersModel>;
  /** A loss of tfjs by name, or a function; one for each output if the model has several. May be left out if the model is compiled. */
  loss?: string | string[] | ((yTrue: tf.Tensor, yPred: tf.Tensor) => tf.Tensor);
  /** By name, by name and learning rate, or made anew for each run. @default 'adam' */
  optimizer?: OptimizerChoice;
  /** Measured on the validation corpus. */
  metrics?: Metric[];
  /** What the trained model shows of itself at the end of the run: a paragraph of text. */
  writes?(this: void, context: TrainedContext<Data>): Awaitable<string>;
}

const brand = Symbol.for('taustream.pipeline');

/** What a pipeline always has, given or not. */
export type PipelineBasics = Pick<z.output<typeof PipelineOptions>, 'name' | 'engine' | 'seed'>;

/** The options that are not undefined. */
const given = <Options extends object>(options: Options): Options =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options; // fewer of the same

/** Those of `fit` without an end. */
export type UnlimitedFitOptions = Omit<Pipeline['options'], 'name' | 'engine' | keyof Limits>;

/** A pipeline as the command line runs it. */
export interface Pipeline<Data extends PipelineCorpus = PipelineCorpus> {
  /** What the pipeline says; what it leaves open is not filled in, so that a mode may. */
  readonly options: Readonly<z.input<typeof PipelineOptions> & PipelineBasics> & FitChoices;
  openCorpus(context: PipelineContext): Promise<Data>;
  /** Builds and compiles the model. @returns owned by the caller */
  buildModel(context: ModelContext<Data>): Promise<tf.LayersModel>;
  writes?(this: void, context: TrainedContext<Data>): Promise<string>;
}

/**
 * Describes a whole training run, to be the default export of a file that `taustream train FILE` runs.
 *
 * @throws {OptionsError} when an option is unknown or out of range
 * @throws {PipelineError} when `corpus` or `model` is missing or no function
 *
 * @example
 * export default definePipeline({
 *   name: 'speeches',
 *   async corpus() {
 *     const text = await textCorpus({ path: 'speeches', window: 64 });
 *     return { ...text.split({ validation: 0.05 }), vocabulary: text.vocabulary };
 *   },
 *   model: ({ corpus, seed }) => charLstm({ vocabularySize: corpus.vocabulary.size, seed }),
 *   loss: 'sparseCategoricalCrossentropy',
 *   seconds: 120,
 * });
 */
export function definePipeline<Data extends PipelineCorpus>(definition: PipelineDefinition<Data>): Pipeline<Data> {
  const { corpus, model, loss, optimizer = 'adam', metrics = [], writes, ...fitOptions } = definition;
  const { scheme, learningRate, deriveMeasures, ...plain } = fitOptions;
  const values = parseOptions('definePipeline()', PipelineOptions, plain);
  const where = `definePipeline(\`${values.name}\`)`;
  if (typeof scheme === 'string') schemeOf(scheme);
  if (learningRate !== undefined) schedule(learningRate);
  expectFunction(where, 'corpus', corpus, 'opens what is trained on');
  expectFunction(where, 'model', model, 'builds a tf.LayersModel');
  if (writes !== undefined) expectFunction(where, 'writes', writes, 'gives a paragraph of text');
  const makeOptimizer = optimizerMaker(where, optimizer);
  return {
    [brand]: true,
    options: {
      ...given(plain),
      name: values.name,
      engine: values.engine,
      seed: values.seed,
      ...(scheme !== undefined && { scheme }),
      ...(learningRate !== undefined && { learningRate }),
      ...(deriveMeasures && { deriveMeasures }),
    },
    openCorpus: async (context: PipelineContext) => {
      const watched = watchPath(context);
      const opened = expectCorpus(where, await corpus(watched.context));
      if (watched.isUsed()) return opened;
      throw new PipelineError(
        `${where}: expected \`corpus\` to open the data at \`${context.corpusPath}\`, got one that opens its own, whatever is asked for. Read \`corpusPath\` in it, or leave \`--corpus\` out.`,
        { corpusPath: context.corpusPath },
      );
    },
    buildModel: async (context: ModelContext<Data>) => {
      const built = expectModel(where, await model(context));
      if (loss !== undefined) built.compile({ optimizer: makeOptimizer(), loss, metrics });
      else if (!built.optimizer)
        throw new PipelineError(`${where}: expected a \`loss\`, or a compiled model, got neither. Give a \`loss\`.`);
      return built;
    },
    ...(writes && { writes: async (context: TrainedContext<Data>) => writes(context) }),
  } as Pipeline<Data>; // the brand is known to isPipeline alone
}

/** A context that tells whether its path was looked at, if it has one: data in place of the pipeline's own. */
function watchPath(context: PipelineContext): { readonly context: PipelineContext; isUsed(): boolean } {
  const { corpusPath, ...rest } = context;
  if (corpusPath === undefined) return { context, isUsed: () => true };
  let used = false;
  const watched = {
    ...rest,
    get corpusPath() {
      used = true;
      return corpusPath;
    },
  };
  return { context: watched, isUsed: () => used };
}

/** What a pipeline says to `fit` but for its limits, which whoever runs it gives: `steps`, `seconds`, `epochs`. */
export function unlimitedFitOptions({ options }: Pipeline): UnlimitedFitOptions {
  const { name: _name, engine: _engine, steps: _steps, seconds: _seconds, epochs: _epochs, ...own } = options;
  return own;
}

/** Whether a value came from `definePipeline`, of this copy of the package or another. */
export const isPipeline = (value: unknown): value is Pipeline =>
  typeof value === 'object' && value !== null && brand in value;

function expectFunction(where: string, name: string, value: unknown, does: string): void {
  if (typeof value === 'function') return;
  throw new PipelineError(
    `${where}: expected \`${name}\` to be a function that ${does}, got ${kindOf(value)}. Write one.`,
    { name },
  );
}

function expectCorpus<Data extends PipelineCorpus>(where: string, data: Data): Data {
  if (isCorpus(data?.train) && (data.validation === undefined || isCorpus(data.validation))) return data;
  const [name, value] = isCorpus(data?.train) ? ['validation', data.validation] : ['train', data?.train];
  throw new PipelineError(
    `${where}: expected \`corpus()\` to give a corpus as \`${name}\`, got ${kindOf(value)}. Return { train, validation? }.`,
    { name },
  );
}

const isCorpus = (value: unknown): value is Corpus =>
  typeof value === 'object' &&
  value !== null &&
  'samples' in value &&
  typeof value.samples === 'function' &&
  'schema' in value;

function expectModel(where: string, model: tf.LayersModel): tf.LayersModel {
  if (model instanceof tf.LayersModel) return model;
  throw new PipelineError(
    `${where}: expected \`model()\` to give a tf.LayersModel, got ${kindOf(model)}. Build one with tf.model or tf.sequential, of the \`@tensorflow/tfjs\` that taustream uses.`,
  );
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'object' && value !== null) return `an object of ${value.constructor?.name ?? 'no class'}`;
  return typeof value === 'function' ? 'a function' : `the ${typeof value} ${JSON.stringify(value) ?? ''}`;
}
