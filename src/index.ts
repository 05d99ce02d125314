// Errors: match on `code`
export { isTaustreamError, TaustreamError, type ErrorCode, type ErrorFacts } from './errors.ts';

// Streams: what flows, and how stages are composed
export type { Column, ColumnData, ColumnSpec, ColumnType, Schema } from './stream/columns.ts';
export type { Corpus, Sample, SampleOptions } from './stream/sample.ts';
export type { Sink, Stage } from './stream/stage.ts';
export { Presample, type Scored } from './stream/presample.ts';
export { Minibatch } from './stream/minibatch.ts';
export type { Gate, Phase, Turnstile } from './stream/gate.ts';
export { createTurnstile } from './stream/turnstile.ts';
export { InFlight } from './stream/in-flight.ts';
export { Meter, type StageCounts } from './stream/meter.ts';
export { runPipeline } from './stream/run-pipeline.ts';
export { asReadable, asTransform } from './stream/transform.ts';

// Corpora
export { corpus, type CorpusOptions, type OpenedCorpus } from './corpus/open-corpus.ts';
export { textCorpus, type TextCorpusOptions } from './corpus/text-corpus.ts';
export type { TextCorpus, TextShard } from './corpus/windowed-text.ts';
export {
  byteVocabulary,
  CharacterVocabulary,
  loadVocabulary,
  parseVocabulary,
  saveVocabulary,
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
export { augmentPixels, type Augmentation } from './corpus/augment/augment.ts';
export { packCorpus, type PackOptions } from './corpus/pack-corpus.ts';
export { verifyCorpus, type Verification } from './corpus/verify-corpus.ts';
export { byteTokenizer, frequentPieces, loadTokenizer, pieceTokenizer, type Tokenizer } from './corpus/tokenizer.ts';
export {
  defineRecipe,
  fetchCorpus,
  type FetchCorpusOptions,
  type FetchedCorpus,
  type Recipe,
} from './corpus/recipe.ts';

// Presample, importance, resample: the stages
export { presample, type PresampleOptions } from './presample/presample.ts';
export { importance, type ImportanceOptions } from './importance/importance.ts';
export { modelScorer, type ModelScorerOptions, type Scorer } from './importance/model-scorer.ts';
export type { Scheme, SchemeContext, SchemeRun } from './importance/scheme.ts';
export { schemeOf, schemes } from './importance/schemes.ts';
export { biased } from './importance/biased.ts';
export { constantTime } from './importance/constant-time.ts';
export { constantVariance } from './importance/constant-variance.ts';
export { infobatch } from './importance/infobatch.ts';
export { onlineBatchSelection } from './importance/online-batch-selection.ts';
export { onlineScores } from './importance/online-scores.ts';
export { proportionalHistory } from './importance/proportional-history.ts';
export { rhoLoss } from './importance/rho-loss.ts';
export { selectiveBackprop } from './importance/selective-backprop.ts';
export { katyusha, scsg, svrg } from './importance/variance-reduced.ts';
export { resample, type ResampleOptions } from './resample/resample.ts';
export { tauGate, type GateState, type TauGate, type TauGateOptions } from './resample/tau-gate.ts';
export { effectiveSampleSize, tau } from './resample/tau.ts';
export { Costs } from './resample/costs.ts';

// Models
export { openHead, type Head } from './model/head.ts';
export { charLstm } from './model/char-lstm.ts';
export { pixelLstm } from './model/pixel-lstm.ts';
export { resnet50 } from './model/resnet50.ts';
export { sequenceClassifier } from './model/sequence-classifier.ts';
export { smallCnn } from './model/small-cnn.ts';
export { textClassifier } from './model/text-classifier.ts';
export { wideResnet } from './model/wide-resnet.ts';
export { marginLoss, recallAt1, tripletLoss } from './model/embedding-loss.ts';
export { writeText } from './model/write-text.ts';
export { withBitsPerCharacter } from './model/bits-per-character.ts';
export { loadModel, saveModel } from './model/files.ts';
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
export { fitImportance, type Callbacks, type FitImportanceOptions } from './train/fit-importance.ts';
export { fit } from './train/fit.ts';
export type { FitOptions, Snapshot } from './train/fit-options.ts';
export type { FitSummary, Measures, StepRecord, StopReason } from './train/step-record.ts';
export type { LearningRate, Progress, ScheduleOptions } from './train/schedule.ts';
export { frozenFeatures, type FrozenFeatureOptions } from './train/fine-tuning/frozen-features.ts';
export { freezeStatistics } from './train/fine-tuning/frozen-statistics.ts';
export { evaluate } from './train/evaluate.ts';
export { datasetCorpus } from './train/dataset-corpus.ts';
export { readCheckpoint, takeCheckpoint, writeCheckpoint, type Checkpoint } from './train/checkpoint.ts';

// Consumers of one's own
export { minibatches, type Minibatches } from './consumer/minibatches.ts';
export type { MinibatchOptions } from './consumer/minibatch-options.ts';
export type { WeightedBatch } from './consumer/weighted-batch.ts';
export { serveMinibatches, type ServeOptions, type ServeSummary } from './consumer/serve.ts';
export { writeMinibatches, type WriteLimits } from './consumer/write-minibatches.ts';

// Other machines
export { fleet, type FleetChoices } from './cluster/fleet.ts';
export { scoreForFleet, type WorkerChoices, type WorkerSummary } from './cluster/worker.ts';
export { askStatus, type RunStatus } from './cluster/ask-status.ts';
export { permissionsFor } from './cluster/permissions.ts';
export type { BatchSource, OpenBatchSource, SourceContext } from './train/batch-source.ts';

// Engines
export { activeEngine, useEngine } from './engine/use-engine.ts';
export { compile } from './engine/compile.ts';
export { fuse, type FuseReport } from './engine/layers/fuse.ts';
export { scan, type Scan, type ScanInputs, type ScanResult, type ScanStep } from './engine/scan.ts';
export type { Engine, EngineName, Step, Tensors } from './engine/engine.ts';
export { runConformance, type CaseResult } from './engine/conformance/run-conformance.ts';
export { conformanceReport } from './engine/conformance/report.ts';

// Reports
export { imageReport, type ImageReportOptions } from './report/images/image-report.ts';
export { advise, type Advice } from './report/advise.ts';
export { compare, type CompareInput, type Comparison } from './report/compare/compare.ts';

// Pipelines
export { definePipeline } from './pipeline.ts';
