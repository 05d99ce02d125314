import { fleet, type FleetChoices } from '../../src/cluster/fleet.ts';
import { scoreForFleet, type WorkerChoices, type WorkerSummary } from '../../src/cluster/worker.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { fit } from '../../src/train/fit.ts';
import type { FitOptions } from '../../src/train/fit-options.ts';
import type { FitSummary } from '../../src/train/step-record.ts';
import { toyPipeline } from './toy-pipeline.ts';

/** Trains the toy pipeline on a fleet, in this process. */
export async function trainToy(
  engine: Engine,
  choices: FleetChoices,
  changes: Partial<FitOptions> = {},
): Promise<FitSummary> {
  const { name: _name, engine: _engine, ...values } = toyPipeline().options;
  const corpus = await toyPipeline().openCorpus({ seed: 3, engine });
  const model = await toyPipeline().buildModel({ seed: 3, engine, corpus });
  const source = fleet({ run: 'toy', corpus, ackWaitSeconds: 1, patienceSeconds: 15, ...choices });
  try {
    return await fit(model, corpus.train, { ...values, ...changes, source });
  } finally {
    model.optimizer.dispose();
    model.dispose();
  }
}

/** Works for it until the run is over. */
export const workForToy = (engine: Engine, url: string, more: Partial<WorkerChoices> = {}): Promise<WorkerSummary> =>
  scoreForFleet(toyPipeline(), { url, run: 'toy', engine, once: true, ...more });
