// Corpora
export { fetchCorpus } from './corpus/recipe.ts';
export { textCorpus } from './corpus/text-corpus.ts';

// Models
export { charLstm } from './model/char-lstm.ts';
export { writeText } from './model/write-text.ts';
export { withBitsPerCharacter } from './model/bits-per-character.ts';
export { loadModel, saveModel } from './model/files.ts';

// Training
export { fit } from './train/fit.ts';
export { fitImportance } from './train/fit-importance.ts';
export { readCheckpoint, takeCheckpoint, writeCheckpoint } from './train/checkpoint.ts';

// Pipelines
export { definePipeline } from './pipeline.ts';
