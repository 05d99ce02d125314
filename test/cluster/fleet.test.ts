import assert from 'node:assert/strict';
import { fleet, type FleetChoices } from '../../src/cluster/fleet.ts';
import { scoreForFleet } from '../../src/cluster/worker.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import type { Pipeline } from '../../src/pipeline.ts';
import { fit } from '../../src/train/fit.ts';
import type { FitOptions } from '../../src/train/fit-options.ts';
import { TestServer } from './test-server.ts';
import { toyPipeline } from './toy-pipeline.ts';

let server: TestServer;
let engine: Engine;

/** Trains a pipeline on a fleet, in this process. */
async function train(pipeline: Pipeline, choices: Partial<FleetChoices> = {}, options: Partial<FitOptions> = {}) {
  const { name: _name, engine: _engine, ...values } = pipeline.options;
  const corpus = await pipeline.openCorpus({ seed: 3, engine });
  const model = await pipeline.buildModel({ seed: 3, engine, corpus });
  const source = fleet({ url: server.url, run: 'toy', corpus, ackWaitSeconds: 1, ...choices });
  try {
    return await fit(model, corpus.train, { ...values, ...options, source } as FitOptions);
  } finally {
    model.dispose();
  }
}

describe('fleet', () => {
  before(async () => {
    engine = await useEngine('cpu');
    server = await TestServer.start();
  });
  after(() => server.stop());

  it('offers each sample of an epoch exactly once to two workers, and ends with it', async () => {
    const pipeline = toyPipeline();
    const ids: string[] = [];
    const ages: number[] = [];
    const work = { url: server.url, run: 'toy', engine, once: true, onNote: (l: string) => console.log('W', l) };
    const workers = [1, 2].map(() => scoreForFleet(pipeline, work).catch((e) => (console.log('WERR', e), undefined)));
    const notes: string[] = [];
    const summary = await train(
      pipeline,
      { jobPresamples: 2, onNote: (line) => (notes.push(line), console.log(line)) },
      {
        steps: undefined,
        epochs: 1,
        onScores: (batch) => ids.push(...('picks' in batch ? batch.ids : batch.ids)),
        onStep: ({ age }) => void (age !== undefined && ages.push(age)),
      },
    );
    const done = await Promise.all(workers);
    console.log(summary, done, notes, ages);
    assert.equal(summary.stoppedBy, 'epochs');
    assert.equal(summary.samplesSeen, 124);
  });
});
