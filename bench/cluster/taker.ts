/** A trainer that only takes minibatches: it costs next to nothing, so that what is measured is scoring. */
import { fleet } from '../../src/cluster/fleet.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { schemeOf } from '../../src/importance/schemes.ts';
import { openHead } from '../../src/model/head.ts';
import { parseOptions } from '../../src/options.ts';
import { type Pipeline, unlimitedFitOptions } from '../../src/pipeline.ts';
import { tauGate } from '../../src/resample/tau-gate.ts';
import { InFlight } from '../../src/stream/in-flight.ts';
import { FitValues, type FitSettings } from '../../src/train/fit-options.ts';
import { plainValues } from '../../src/train/plain-values.ts';
import { runName } from './processes.ts';

/** The pipeline's options, with the gate open from the start. */
export function valuesOf(pipeline: Pipeline): FitSettings {
  return parseOptions('bench', FitValues, {
    ...plainValues(unlimitedFitOptions(pipeline)),
    mode: 'paper',
    tauThreshold: 0,
    steps: 1,
  });
}

/** What was taken between two moments. */
export interface Taken {
  readonly samples: number;
  readonly minibatches: number;
  readonly seconds: number;
}

/**
 * Takes minibatches from a fleet.
 * @param begin resolves when counting is to begin: all workers have joined
 */
export async function take(
  pipeline: Pipeline,
  engine: Engine,
  options: { readonly url: string; readonly seconds: number; readonly onNote: (line: string) => void },
  begin: Promise<unknown>,
  counted: { from: () => Promise<void>; to: () => Promise<void> },
): Promise<Taken> {
  const values = valuesOf(pipeline);
  const context = { seed: values.seed, engine };
  const corpus = await pipeline.openCorpus(context);
  const model = await pipeline.buildModel({ ...context, corpus });
  const { url, seconds, onNote } = options;
  const source = fleet({ url, run: runName, corpus, parametersEvery: 10, onNote })({
    head: openHead(model),
    corpus: corpus.train,
    scheme: schemeOf('upper-bound'),
    values,
    gate: tauGate({ tauThreshold: 0 }),
    inFlight: new InFlight(),
    onScores: () => {},
    onSkip: undefined,
    position: undefined,
  });
  const stop = new AbortController();
  let [begun, before, minibatches, samples] = [Infinity, 0, 0, 0];
  let hasBegun = false;
  void begin.then(() => (hasBegun = true));
  try {
    await source.start(stop.signal);
    for await (const batch of source.minibatches(stop.signal)) {
      source.trained(batch);
      samples = batch.presample.passed.taken;
      batch.dispose();
      if (hasBegun && begun === Infinity) {
        await counted.from();
        [begun, before, minibatches] = [performance.now(), samples, 0];
      }
      minibatches += 1;
      if (performance.now() >= begun + 1000 * seconds) break;
    }
    await counted.to();
    return { samples: samples - before, minibatches, seconds: (performance.now() - begun) / 1000 };
  } finally {
    stop.abort();
    await source.close();
    model.optimizer.dispose();
    model.dispose();
  }
}
