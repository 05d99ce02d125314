/**
 * Fine-tuning EfficientNet-Lite0 on the six largest classes of the Tux Paint stamps, as pipelines/tuxpaint-finetune.ts
 * does: test accuracy by scheme and seed, at equal seconds of training or at equal steps, uniform and importance taking
 * turns. Seconds are those that processors spent on it, so that others on the machine do not count.
 *
 *     node --import tsx bench/finetune.ts [--seeds 0,1,2,3,4] [--schemes uniform,upper-bound] [--seconds 60 | --steps 400]
 */
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { fetchCorpus } from '../src/corpus/recipe.ts';
import { RowStore } from '../src/corpus/row-store.ts';
import { useEngine } from '../src/engine/use-engine.ts';
import type { EngineName } from '../src/engine/engine.ts';
import { openHead } from '../src/model/head.ts';
import { pairedTest, spreadOf } from '../src/report/compare/statistics.ts';
import type { Corpus } from '../src/stream/sample.ts';
import { evaluate } from '../src/train/evaluate.ts';
import { fit } from '../src/train/fit.ts';
import { tuxpaintSix } from '../corpora/tuxpaint-six/recipe.ts';
import pipeline from '../pipelines/tuxpaint-finetune.ts';

const { values: flags } = parseArgs({
  options: {
    seeds: { type: 'string', default: '0,1,2,3,4' },
    schemes: { type: 'string', default: 'uniform,upper-bound' },
    seconds: { type: 'string' },
    steps: { type: 'string' },
    engine: { type: 'string', default: 'auto' },
  },
});
const seeds = flags.seeds.split(',').map(Number);
const schemes = flags.schemes.split(',');
const budget =
  flags.seconds === undefined
    ? { steps: Number(flags.steps ?? pipeline.options.steps), seconds: undefined }
    : { seconds: Number(flags.seconds), steps: undefined };

const engine = await useEngine(flags.engine as EngineName | 'auto');
console.log(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}, ${engine.description}`);
const said = budget.steps === undefined ? `${budget.seconds} s of training` : `${budget.steps} steps`;
console.log(`${said} a run; load ${loadavg()[0]!.toFixed(1)}`);

await fetchCorpus(tuxpaintSix);
const opened = await pipeline.openCorpus({ seed: 0, engine });
/** Pictures decoded once for all runs. */
async function decoded(corpus: Corpus): Promise<RowStore> {
  const store = new RowStore(corpus, { memoryBytes: 2 ** 28 });
  for await (const sample of corpus.samples({ seed: 0, epochs: 1, shuffle: false })) await store.add(sample);
  return store;
}
const [train, validation] = [await decoded(opened.train), await decoded(opened.validation)];

const {
  name: _name,
  engine: _engine,
  steps: _steps,
  seconds: _seconds,
  epochs: _epochs,
  ...options
} = pipeline.options;
const accuracies = new Map<string, number[]>(schemes.map((scheme) => [scheme, []]));
for (const [turn, seed] of seeds.entries())
  for (const scheme of turn % 2 === 0 ? schemes : schemes.toReversed()) {
    const [begun, used] = [performance.now(), process.cpuUsage()];
    const model = await pipeline.buildModel({ seed, engine, corpus: opened });
    const summary = await fit(model, train, {
      ...options,
      seed,
      scheme,
      clock: 'processor',
      validations: 0,
      ...(budget.steps !== undefined && { steps: budget.steps }),
      ...(budget.seconds !== undefined && { seconds: budget.seconds }),
    });
    const { user, system } = process.cpuUsage(used);
    const { acc = Number.NaN, loss = Number.NaN } = await evaluate(openHead(model), validation);
    accuracies.get(scheme)!.push(acc);
    console.log(
      `seed ${seed}  ${scheme.padEnd(14)} test accuracy ${(100 * acc).toFixed(1)} %  loss ${loss.toFixed(3)}  ` +
        `${summary.steps} steps in ${summary.seconds.toFixed(0)} s (whole run ${((performance.now() - begun) / 1000).toFixed(0)} s, ` +
        `processor ${((user + system) / 1e6).toFixed(0)} s)  gate open ${(100 * summary.openShare).toFixed(0)} %  τ ${summary.meanTau.toFixed(2)}`,
    );
    model.optimizer.dispose();
    model.dispose();
  }

for (const [scheme, values] of accuracies) {
  const { mean, deviation } = spreadOf(values);
  console.log(
    `${scheme}: mean ${(100 * mean).toFixed(2)} % ± ${(100 * deviation).toFixed(2)} over ${values.length} seeds`,
  );
}
const [baseline, ...others] = schemes;
for (const other of others) {
  const { mean, p } = pairedTest(accuracies.get(other)!, accuracies.get(baseline!)!);
  console.log(`${other} − ${baseline}: ${(100 * mean).toFixed(2)} points, p ${p?.toPrecision(2) ?? '–'} (paired)`);
}
