import assert from 'node:assert/strict';
import * as taustream from '../src/index.ts';

/** Every public name: so that growth is a decision. */
const names = `
  CharacterVocabulary ClusterError CompileError ConsumerError CorpusError Costs EngineError FetchError HistoryError
  InFlight LabelError LossError Meter Minibatch ModelError NoiseScale OptionsError ParallelError PipelineError
  PlacementError Presample RunError ScoreError ScoreTable ShapeError ShardError TaustreamError activeEngine adviceText
  advise asReadable asTransform askStatus augmentPixels biased byteTokenizer byteVocabulary charLstm clocks compare
  comparisonPage comparisonText compile conformanceReport constantTime constantVariance corpus createRng
  createTurnstile cutModel datasetCorpus definePipeline defineRecipe diagnose distanceWeighted effectiveSampleSize
  evaluate exactNorms fetchCorpus fit fitImportance fleet freezeStatistics frequentPieces frozenFeatures fuse gainOf
  gradientNorm hardNegative imageDetails imageReport importance infobatch installEngine isInstalled isTaustreamError
  joinTrainers katyusha labelledImages largestKnown learnedFilter loadModel loadTokenizer loadVocabulary mapped
  marginLoss meanOfKnown meetTrainers minibatches mixture modeOf modelScorer modes nodeFunctions onlineBatchSelection
  onlineScores openHead openModel packCorpus parseVocabulary permissionsFor pieceTokenizer pixelLstm predicted
  presample pretrained progressBreakEven proportionalHistory randomSubset readCheckpoint recallAt1 recordCorpus
  remembering rememberingScorer removeEngine resample resnet50 rhoLoss rngFrom runConformance runPipeline saveModel
  saveVocabulary scan schemeOf schemeOfMode schemes scoreForFleet scsg selectiveBackprop sequenceClassifier
  serveMinibatches setImageDetails smallCnn softTargets svrg takeCheckpoint tau tauGate tauOfDraw textClassifier
  textCorpus tripletLoss upperBound useEngine verifyCorpus wideResnet withBitsPerCharacter withHead withNormalization
  writeCheckpoint writeComparison writeMinibatches writeRecords writeText`;

describe('taustream', () => {
  it('has these public names', () => {
    assert.deepEqual(Object.keys(taustream).toSorted(), names.trim().split(/\s+/));
  });
});
