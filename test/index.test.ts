import assert from 'node:assert/strict';
import * as taustream from '../src/index.ts';

/** Every public name: so that growth is a decision. */
const names = `
  CharacterVocabulary Costs InFlight Meter Minibatch Presample TaustreamError activeEngine advise asReadable
  asTransform askStatus augmentPixels biased byteTokenizer byteVocabulary charLstm compare compile conformanceReport
  constantTime constantVariance corpus createTurnstile cutModel datasetCorpus definePipeline defineRecipe
  effectiveSampleSize evaluate fetchCorpus fit fitImportance fleet freezeStatistics frequentPieces frozenFeatures fuse
  imageDetails imageReport importance infobatch isTaustreamError katyusha labelledImages loadModel loadTokenizer
  loadVocabulary mapped marginLoss minibatches mixture modelScorer onlineBatchSelection onlineScores openHead
  openModel packCorpus parseVocabulary permissionsFor pieceTokenizer pixelLstm presample pretrained
  proportionalHistory readCheckpoint recallAt1 recordCorpus resample resnet50 rhoLoss runConformance runPipeline
  saveModel saveVocabulary scan schemeOf schemes scoreForFleet scsg selectiveBackprop sequenceClassifier
  serveMinibatches setImageDetails smallCnn softTargets svrg takeCheckpoint tau tauGate textClassifier textCorpus
  tripletLoss useEngine verifyCorpus wideResnet withBitsPerCharacter withHead withNormalization writeCheckpoint
  writeMinibatches writeRecords writeText`;

describe('taustream', () => {
  it('has these public names', () => {
    assert.deepEqual(Object.keys(taustream).toSorted(), names.trim().split(/\s+/));
  });
});
