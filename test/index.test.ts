import assert from 'node:assert/strict';
import * as taustream from '../src/index.ts';

/** Every public name: so that growth is a decision. */
const names = `
  CharacterVocabulary Costs InFlight Meter Minibatch Presample TaustreamError activeEngine advise asReadable asTransform
  biased byteTokenizer byteVocabulary charLstm compare compile conformanceReport constantTime constantVariance corpus
  createTurnstile datasetCorpus definePipeline defineRecipe effectiveSampleSize evaluate fetchCorpus fit fitImportance fuse
  importance infobatch isTaustreamError katyusha loadModel loadTokenizer loadVocabulary marginLoss minibatches mixture modelScorer
  onlineBatchSelection onlineScores openHead packCorpus parseVocabulary pieceTokenizer presample proportionalHistory
  readCheckpoint recallAt1 recordCorpus resample rhoLoss runConformance runPipeline saveModel saveVocabulary scan schemeOf schemes scsg
  selectiveBackprop serveMinibatches smallCnn svrg takeCheckpoint tau tauGate textCorpus tripletLoss useEngine verifyCorpus
  withBitsPerCharacter writeCheckpoint writeMinibatches writeRecords writeText`;

describe('taustream', () => {
  it('has these public names', () => {
    assert.deepEqual(Object.keys(taustream).toSorted(), names.trim().split(/\s+/));
  });
});
