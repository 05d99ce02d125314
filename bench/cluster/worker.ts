/** A worker of one thread for the benches: `worker.ts TASK ENGINE URL|alone SECONDS`. */
import { once } from 'node:events';
import { JobScoring } from '../../src/cluster/job-scoring.ts';
import { orderOf } from '../../src/cluster/fingerprint.ts';
import { scoreForFleet } from '../../src/cluster/worker.ts';
import type { Engine, EngineName } from '../../src/engine/engine.ts';
import { fuse } from '../../src/engine/layers/fuse.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import { schemeOf } from '../../src/importance/schemes.ts';
import { openHead } from '../../src/model/head.ts';
import type { Pipeline } from '../../src/pipeline.ts';
import { tasks } from '../tasks/tasks.ts';
import { oneThread, readOnce, runName } from './processes.ts';
import { valuesOf } from './taker.ts';

const [name, engineName, where, seconds] = process.argv.slice(2) as [string, EngineName, string, string];
const pipeline = readOnce(tasks[name]!);
const engine = await useEngine(engineName, oneThread(engineName));
if (where === 'alone') await scoreAlone(pipeline, engine, Number(seconds));
else
  await scoreForFleet(pipeline, {
    url: where,
    run: runName,
    engine,
    onNote: (line) => process.stdout.write(`${line}\n`),
  });

/** Reads, scores and draws as for a fleet, with nobody to send to: what the machine itself can do. */
async function scoreAlone(own: Pipeline, on: Engine, forSeconds: number): Promise<void> {
  const values = valuesOf(own);
  const context = { seed: values.seed, engine: on };
  const corpus = await own.openCorpus(context);
  const model = await own.buildModel({ ...context, corpus });
  fuse(model);
  const { signal } = new AbortController();
  const order = orderOf(corpus.train, values);
  const scheme = schemeOf('upper-bound');
  const scoring = new JobScoring({ head: openHead(model), scheme, values, corpus: corpus.train, order });
  const places = 8 * values.presampleSize;
  let [job, samples, begun] = [0, 0, Infinity];
  for (; performance.now() < begun + 1000 * forSeconds; job++) {
    const { presamples } = scoring.open({ from: job * places, to: (job + 1) * places, phase: 'importance' }, signal);
    let part = 0;
    for await (const presample of presamples) {
      using held = presample;
      samples += (await scoring.score({ job, phase: 'importance' }, part++, held, 0)).rows;
    }
    if (job > 0) continue;
    process.stdout.write('ready\n');
    await once(process.stdin, 'data');
    process.stdin.unref();
    [samples, begun] = [0, performance.now()];
  }
  process.stdout.write(`${(1000 * samples) / (performance.now() - begun)} samples/s\n`);
  process.exit();
}
