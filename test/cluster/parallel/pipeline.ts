import { definePipeline } from '../../../src/pipeline.ts';
import { classifier, clusters } from '../../train/toy.ts';

/** A run of some seconds, for `taustream train --trainers`. */
export default definePipeline({
  name: 'clusters',
  engine: 'tensorflow',
  corpus: () => ({ train: clusters(100_000).corpus }),
  model: () => classifier(),
  presampleSize: 48,
  batchSize: 16,
  seed: 3,
  steps: 400,
});
