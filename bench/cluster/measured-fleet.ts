/** A fleet in this process with a real server, whose scoring and steps are waits: what the simulation is checked against. */
import { setTimeout as sleep } from 'node:timers/promises';
import { fleet } from '../../src/cluster/fleet.ts';
import { scoreForFleet } from '../../src/cluster/worker.ts';
import { textCorpus } from '../../src/corpus/text-corpus.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import type { Scheme } from '../../src/importance/scheme.ts';
import { charLstm } from '../../src/model/char-lstm.ts';
import { openHead } from '../../src/model/head.ts';
import { definePipeline } from '../../src/pipeline.ts';
import { tauGate } from '../../src/resample/tau-gate.ts';
import { InFlight } from '../../src/stream/in-flight.ts';
import { createRng } from '../../src/stream/random.ts';
import type { FleetModel, SimulatedFleet } from '../cluster-model.ts';
import { runName, startBenchServer } from './processes.ts';
import { valuesOf } from './taker.ts';

/** Takes so many steps with so many workers, after the first have come. */
export async function measureFleet(model: FleetModel): Promise<Omit<SimulatedFleet, 'linkShare'>> {
  const { workers, scoreMs, stepMs, jitter, parametersEvery, ahead, steps, seed } = model;
  const rng = createRng(seed, 'measured');
  const wait = (ms: number) => sleep(ms * (1 + jitter * (2 * rng.uniform() - 1)));
  const scheme: Scheme = {
    name: 'waiting',
    scorer: () => ({
      async score({ size }) {
        await wait(scoreMs);
        return new Float32Array(size).fill(1);
      },
    }),
  };
  const pipeline = definePipeline({
    name: runName,
    corpus: async () => ({ train: await textCorpus({ text: 'the quick brown fox. '.repeat(200), window: 8 }) }),
    model: () => charLstm({ vocabularySize: 20, units: 4, seed }),
    loss: 'sparseCategoricalCrossentropy',
    optimizer: 'sgd',
    scheme,
    batchSize: 4,
    presampleSize: 12,
    seed,
    steps,
  });
  const engine = await useEngine('cpu');
  const context = { seed, engine };
  const corpus = await pipeline.openCorpus(context);
  const tensors = await pipeline.buildModel({ ...context, corpus });
  await using started = await startBenchServer();
  const { url } = started.server;
  const stop = new AbortController();
  const source = fleet({ url, run: runName, corpus, parametersEvery, ...(ahead !== undefined && { ahead }) })({
    head: openHead(tensors),
    corpus: corpus.train,
    scheme,
    values: valuesOf(pipeline),
    gate: tauGate({ tauThreshold: 0 }),
    inFlight: new InFlight(),
    onScores: () => {},
    onSkip: undefined,
    position: undefined,
  });
  await source.start();
  const working = Array.from({ length: workers }, () =>
    scoreForFleet(pipeline, { url, run: runName, engine, once: true, versionsBehind: 0 }),
  );
  const warmUp = 10 + 2 * workers;
  let [version, begun, busyMs, ageSum, largestAge] = [0, 0, 0, 0, 0];
  for await (const batch of source.minibatches(stop.signal)) {
    if (version === warmUp) [begun, busyMs, ageSum, largestAge] = [performance.now(), 0, 0, 0];
    const age = version - batch.version;
    ageSum += age;
    largestAge = Math.max(largestAge, age);
    const from = performance.now();
    await wait(stepMs);
    busyMs += performance.now() - from;
    batch.dispose();
    source.trained(batch);
    version += 1;
    if (version === warmUp + steps) break;
  }
  const ms = performance.now() - begun;
  stop.abort();
  await source.close();
  await Promise.all(working);
  tensors.optimizer.dispose();
  tensors.dispose();
  return { busyShare: busyMs / ms, stepsPerSecond: (1000 * steps) / ms, meanAge: ageSum / steps, largestAge };
}
