// Errors: match on `code`
export {
  ClusterError,
  CompileError,
  ConsumerError,
  CorpusError,
  EngineError,
  FetchError,
  HistoryError,
  isTaustreamError,
  LabelError,
  LossError,
  ModelError,
  ParallelError,
  OptionsError,
  PipelineError,
  PlacementError,
  RunError,
  ScoreError,
  ShapeError,
  ShardError,
  TaustreamError,
  type ErrorCode,
  type ErrorFacts,
} from './errors.ts';

// Streams: what flows, and how stages are composed
export type { Column, ColumnData, ColumnSpec, ColumnType, FixedSpec, Schema } from './stream/columns.ts';
export type { Corpus, Position, Sample, SampleOptions, SampleRows, SampleStream } from './stream/sample.ts';
export type { Sink, Stage } from './stream/stage.ts';
export { Presample, type Passed, type PresampleFacts, type Scored } from './stream/presample.ts';
export { Minibatch, type Draw } from './stream/minibatch.ts';
export type { Gate, Phase, Turnstile } from './stream/gate.ts';
export { createTurnstile } from './stream/turnstile.ts';
export { InFlight } from './stream/in-flight.ts';
export { Meter, type StageCounts } from './stream/meter.ts';
export { runPipeline } from './stream/run-pipeline.ts';
export { asReadable, asTransform } from './stream/transform.ts';
export { clocks, type Clock, type clockNames } from './stream/clock.ts';
export { createRng, rngFrom, type Rng } from './stream/random.ts';
export type { Selection } from './stream/selection.ts';

// Corpora
export { corpus, type CorpusOptions, type OpenedCorpus } from './corpus/open-corpus.ts';
export type { Shard, ShardedCorpus } from './corpus/sharded-corpus.ts';
export type { BadSample, BadSamples } from './corpus/bad-samples.ts';
export { textCorpus, type TextCorpusOptions } from './corpus/text-corpus.ts';
export type { TextCorpus, TextShard } from './corpus/windowed-text.ts';
export {
  byteVocabulary,
  CharacterVocabulary,
  loadVocabulary,
  parseVocabulary,
  saveVocabulary,
  type UnknownPolicy,
  type Vocabulary,
  type VocabularyJson,
} from './corpus/vocabulary.ts';
export { recordCorpus, type RecordCorpus, type RecordCorpusOptions } from './corpus/record-corpus.ts';
export { writeRecords, type WriteRecordsOptions } from './corpus/write-records.ts';
export type { RecordManifest } from './corpus/record-manifest.ts';
export type { Split, SplitOptions } from './corpus/segments.ts';
export { labelledImages, type LabelledImages } from './corpus/labelled-images.ts';
export { softTargets } from './corpus/soft-targets.ts';
export { mixture, type Mixture, type MixtureOptions, type MixturePart } from './corpus/mixture.ts';
export { mapped, type Copy, type MappedOptions, type MapSample } from './corpus/mapped.ts';
export { augmentPixels, type Augmentation, type AugmentOptions, type Pass } from './corpus/augment/augment.ts';
export { packCorpus, type PackOptions } from './corpus/pack-corpus.ts';
export { verifyCorpus, type Verification } from './corpus/verify-corpus.ts';
export { byteTokenizer, frequentPieces, loadTokenizer, pieceTokenizer, type Tokenizer } from './corpus/tokenizer.ts';
export {
  defineRecipe,
  fetchCorpus,
  type FetchCorpusOptions,
  type ArchiveEntry,
  type Build,
  type CollectedEntry,
  type FetchedCorpus,
  type Recipe,
  type RecipeSchema,
  type Registry,
} from './corpus/recipe.ts';

// Presample, importance, resample: the stages
export { presample, type PresampleOptions, type Unfinished } from './presample/presample.ts';
export { importance, type ImportanceOptions } from './importance/importance.ts';
export { modelScorer, type ModelScorerOptions, type ScoreBatch, type Scorer } from './importance/model-scorer.ts';
export type { HeadScore, HeldOut, Scheme, SchemeContext, SchemeRun, VarianceReduction } from './importance/scheme.ts';
export { schemeOf, schemes } from './importance/schemes.ts';
export { biased } from './importance/biased.ts';
export { constantTime } from './importance/constant-time.ts';
export { constantVariance } from './importance/constant-variance.ts';
export { distanceWeighted } from './importance/distance-weighted.ts';
export { gradientNorm } from './importance/gradient-norm.ts';
export { hardNegative } from './importance/hard-negative.ts';
export { infobatch } from './importance/infobatch.ts';
export { learnedFilter } from './importance/learned-filter.ts';
export { onlineBatchSelection } from './importance/online-batch-selection.ts';
export { onlineScores } from './importance/online-scores.ts';
export { predicted } from './importance/predicted.ts';
export { proportionalHistory } from './importance/proportional-history.ts';
export { randomSubset } from './importance/random-subset.ts';
export { rhoLoss, type RhoLossOptions, type RhoLossValues } from './importance/rho-loss.ts';
export { selectiveBackprop } from './importance/selective-backprop.ts';
export { upperBound } from './importance/upper-bound.ts';
export { katyusha, scsg, svrg } from './importance/variance-reduced.ts';
export { largestKnown, meanOfKnown, remembering, rememberingScorer, type Unseen } from './importance/remembered.ts';
export { ScoreTable, type ScoreTableOptions, type ScoreTableState } from './importance/score-table.ts';
export { resample, type ResampleOptions } from './resample/resample.ts';
export { tauGate, type GateState, type TauGate, type TauGateOptions } from './resample/tau-gate.ts';
export { effectiveSampleSize, tau, tauOfDraw } from './resample/tau.ts';
export { Costs } from './resample/costs.ts';
export { gainOf, NoiseScale, progressBreakEven } from './resample/noise-scale.ts';

// Models
export { openHead, type Head } from './model/head.ts';
export { exactNorms, type GradientNorms } from './model/gradient-norms.ts';
export type { HeadLoss } from './model/losses.ts';
export type { LossFunction } from './model/compiled.ts';
export type { OptimizerChoice, optimizerNames, OptimizerOptions } from './model/optimizer.ts';
export { charLstm } from './model/char-lstm.ts';
export { pixelLstm } from './model/pixel-lstm.ts';
export { resnet50 } from './model/resnet50.ts';
export { sequenceClassifier } from './model/sequence-classifier.ts';
export { smallCnn } from './model/small-cnn.ts';
export { textClassifier } from './model/text-classifier.ts';
export { wideResnet } from './model/wide-resnet.ts';
export { marginLoss, recallAt1, tripletLoss, type Negatives, type TripletLoss } from './model/embedding-loss.ts';
export { writeText, type CharacterCodec } from './model/write-text.ts';
export { withBitsPerCharacter } from './model/bits-per-character.ts';
export { loadModel, saveModel, type ExtraFiles } from './model/files.ts';
export { pretrained, type PretrainedName, type PretrainedOptions } from './model/pretrained/pretrained.ts';
export { openModel, type OpenModelOptions } from './model/pretrained/open-model.ts';
export {
  imageDetails,
  setImageDetails,
  type ImageDetails,
  type ImageDetailsInput,
} from './model/pretrained/image-details.ts';
export { withNormalization } from './model/pretrained/normalization.ts';
export { withHead } from './model/pretrained/with-head.ts';
export { cutModel, type CutModel } from './model/pretrained/cut-model.ts';

// Training
export { fitImportance, type Callbacks, type FitImportanceOptions, type TfjsCallback } from './train/fit-importance.ts';
export { fit } from './train/fit.ts';
export { modeOf, modes, schemeOfMode, type Preset } from './train/modes.ts';
export type { FitOptions, FitSettings, FitValues, Snapshot } from './train/fit-options.ts';
export type { FitSummary, Measures, StepRecord, StopReason } from './train/step-record.ts';
export type { LearningRate, Progress, ScheduleOptions } from './train/schedule.ts';
export { frozenFeatures, type FrozenFeatureOptions } from './train/fine-tuning/frozen-features.ts';
export type { Block, BlockRef, BlockSource } from './corpus/blocks.ts';
export type { RowStore } from './corpus/row-store.ts';
export type { BlockStream } from './corpus/sample-stream.ts';
export { freezeStatistics } from './train/fine-tuning/frozen-statistics.ts';
export { evaluate, type EvaluateOptions } from './train/evaluate.ts';
export { datasetCorpus } from './train/dataset-corpus.ts';
export {
  readCheckpoint,
  takeCheckpoint,
  writeCheckpoint,
  type Checkpoint,
  type CheckpointOptions,
  type ReadCheckpoint,
} from './train/checkpoint.ts';
export type { TensorData } from './train/safetensors.ts';

// Consumers of one's own
export { minibatches, type Minibatches } from './consumer/minibatches.ts';
export type { BatchTensors } from './consumer/batch-dataset.ts';
export type { MinibatchOptions, MinibatchValues } from './consumer/minibatch-options.ts';
export type { WeightedBatch } from './consumer/weighted-batch.ts';
export { serveMinibatches, type ServeOptions, type ServeSummary, type ServeValues } from './consumer/serve.ts';
export type { Address } from './consumer/listen.ts';
export { writeMinibatches, type WriteLimits } from './consumer/write-minibatches.ts';

// Other machines
export { joinTrainers, type JoinedTrainers, type TrainersOptions } from './cluster/parallel/join-trainers.ts';
export { meetTrainers, type MeetOptions } from './cluster/parallel/meet-trainers.ts';
export type { Trainers } from './train/trainers/trainers.ts';
export { fleet, type FleetChoices } from './cluster/fleet.ts';
export { scoreForFleet, type WorkerChoices, type WorkerSummary } from './cluster/worker.ts';
export { askStatus, type RunStatus } from './cluster/ask-status.ts';
export type { FleetOptions, WorkerOptions } from './cluster/cluster-options.ts';
export type { Account } from './cluster/ledger.ts';
export type { FleetReport } from './cluster/status.ts';
export { permissionsFor } from './cluster/permissions.ts';
export type { BatchSource, OpenBatchSource, SourceContext } from './train/batch-source.ts';

// Engines
export { activeEngine, useEngine, type CommonOptions, type EngineOptions } from './engine/use-engine.ts';
export { compile } from './engine/compile.ts';
export { fuse, type FuseReport } from './engine/layers/fuse.ts';
export { scan, type Scan, type ScanInputs, type ScanResult, type ScanStep } from './engine/scan.ts';
export type { Engine, EngineName, engineNames, Step, Tensors } from './engine/engine.ts';
export type { CompileOptions } from './engine/compile-options.ts';
export { diagnose, type Check } from './engine/tensorflow/diagnose.ts';
export { installEngine } from './engine/tensorflow/install/install-engine.ts';
export type { InstallOptions, InstallProgress } from './engine/tensorflow/install/install-options.ts';
export { isInstalled, removeEngine, type Installation } from './engine/tensorflow/install/installation.ts';
export { nodeFunctions, type NodeFunctions } from './engine/tensorflow/node-functions.ts';
export { runConformance, type CaseResult } from './engine/conformance/run-conformance.ts';
export type { ConformanceCase } from './engine/conformance/case.ts';
export { conformanceReport } from './engine/conformance/report.ts';

// Reports
export { imageReport, type ImageReportOptions } from './report/images/image-report.ts';
export { advise, adviceText, type Advice, type Prospect } from './report/advise.ts';
export {
  compare,
  type ComparedRun,
  type CompareInput,
  type Comparison,
  type CurvePoint,
} from './report/compare/compare.ts';
export type { PairedDifference, Spread } from './report/compare/statistics.ts';
export { comparisonPage } from './report/compare/page.ts';
export { comparisonText } from './report/compare/table.ts';
export type { CompareOptions } from './report/compare/compare-options.ts';
export type { Criterion, Row, RunBudget, Verdict } from './report/compare/verdict.ts';
export { writeComparison } from './report/compare/write-comparison.ts';

// Pipelines
export {
  definePipeline,
  type Awaitable,
  type FitChoices,
  type Metric,
  type ModelContext,
  type Pipeline,
  type PipelineBasics,
  type PipelineContext,
  type PipelineCorpus,
  type PipelineDefinition,
  type PipelineOptions,
  type TrainedContext,
} from './pipeline.ts';
