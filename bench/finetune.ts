/**
 * Fine-tuning EfficientNet-Lite0 on the six largest classes of the Tux Paint stamps, as pipelines/tuxpaint-finetune.ts
 * does: test accuracy by scheme and seed, at equal seconds of training or at equal steps, uniform and importance taking
 * turns. Seconds are those that processors spent on it, so that others on the machine do not count. With `--out` each run
 * is appended to a file as it ends, and the same command, broken off or with more seeds, does only what is not there yet.
 * With `--folds 5` the test pictures are left alone: seed s is tested on the (s mod 5)-th of five parts of the pictures to
 * train on, which it is not trained on. This is how a recipe is chosen.
 *
 *     node --import tsx bench/finetune.ts [--seeds 0,1,2,3,4] [--schemes uniform,upper-bound] [--seconds 60 | --steps 400]
 *       [--folds 5] [--out FILE.jsonl] [--engine tensorflow]
 */
import { createHash } from 'node:crypto';
import { appendFile, readFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { fetchCorpus } from '../src/corpus/recipe.ts';
import { RowStore } from '../src/corpus/row-store.ts';
import { useEngine } from '../src/engine/use-engine.ts';
import type { EngineName } from '../src/engine/engine.ts';
import { openHead } from '../src/model/head.ts';
import { pairedTest, spreadOf } from '../src/report/compare/statistics.ts';
import { deriveSeed } from '../src/stream/random.ts';
import type { Corpus, Sample } from '../src/stream/sample.ts';
import { unlimitedFitOptions } from '../src/pipeline.ts';
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
    folds: { type: 'string' },
    out: { type: 'string' },
  },
});
const folds = flags.folds === undefined ? undefined : Number(flags.folds);
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
async function decoded(corpus: Corpus, isOf: (sample: Sample) => boolean = () => true): Promise<RowStore> {
  const store = new RowStore(corpus, { memoryBytes: 2 ** 28 });
  for await (const sample of corpus.samples({ seed: 0, epochs: 1, shuffle: false }))
    if (isOf(sample)) await store.add(sample);
  return store;
}

/** The pictures of each class in a seeded order, dealt out to the folds in turn. */
async function dealt(corpus: Corpus, hands: number): Promise<ReadonlyMap<string, number>> {
  const ids = new Map<number, string[]>();
  for await (const { id, y } of corpus.samples({ seed: 0, epochs: 1, shuffle: false }))
    ids.set(y as number, [...(ids.get(y as number) ?? []), id]); // a label, as the schema says
  const order = (id: string) => deriveSeed(0, 'fold', id);
  return new Map(
    [...ids.values()].flatMap((own) => own.toSorted((a, b) => order(a) - order(b)).map((id, i) => [id, i % hands])),
  );
}
const foldOf = folds === undefined ? undefined : await dealt(opened.train, folds);
const wholeTrain = await decoded(opened.train);
const test = foldOf ? undefined : await decoded(opened.validation);

/** What a seed is trained and tested on. */
async function partsOf(seed: number): Promise<readonly [train: RowStore, validation: RowStore]> {
  if (!foldOf) return [wholeTrain, test!];
  const isHeldOut = ({ id }: Sample) => foldOf.get(id) === seed % folds!;
  return [await decoded(wholeTrain, (sample) => !isHeldOut(sample)), await decoded(wholeTrain, isHeldOut)];
}

const options = unlimitedFitOptions(pipeline);

const Result = z.object({
  /** Of budget, engine and the pipeline's text: runs of another recipe are left aside. */
  recipe: z.string(),
  scheme: z.string(),
  seed: z.number(),
  accuracy: z.number(),
  loss: z.number(),
  steps: z.number(),
  /** Of training, as processors spent them. */
  seconds: z.number(),
  /** Of the whole run with its features and its test, likewise. */
  processorSeconds: z.number(),
  wallSeconds: z.number(),
  openShare: z.number(),
  meanTau: z.number(),
});
type Result = z.output<typeof Result>;

const recipe = createHash('sha256')
  .update(JSON.stringify([budget, engine.name, folds ?? 'test']))
  .update(await readFile(new URL('../pipelines/tuxpaint-finetune.ts', import.meta.url)))
  .update(await readFile(new URL('../corpora/tuxpaint-six/imagenet-classes.ts', import.meta.url)))
  .digest('hex')
  .slice(0, 12);

async function readResults(path: string): Promise<Result[]> {
  const text = await readFile(path, 'utf8').catch(() => ''); // none yet
  const lines = text.split('\n').slice(0, -1); // a last line without an end was broken off
  return lines.map((line) => Result.parse(JSON.parse(line))).filter((result) => result.recipe === recipe);
}

async function runOnce(scheme: string, seed: number): Promise<Result> {
  const [train, validation] = await partsOf(seed);
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
  const { acc = Number.NaN, loss = Number.NaN } = await evaluate(openHead(model), validation);
  const { user, system } = process.cpuUsage(used);
  model.optimizer.dispose();
  model.dispose();
  const { steps, seconds, openShare, meanTau } = summary;
  const [processorSeconds, wallSeconds] = [(user + system) / 1e6, (performance.now() - begun) / 1000];
  return {
    recipe,
    scheme,
    seed,
    accuracy: acc,
    loss,
    steps,
    seconds,
    processorSeconds,
    wallSeconds,
    openShare,
    meanTau,
  };
}

const results = flags.out === undefined ? [] : await readResults(flags.out);
const find = (scheme: string, seed: number) =>
  results.find((result) => result.scheme === scheme && result.seed === seed);
for (const [turn, seed] of seeds.entries())
  for (const scheme of turn % 2 === 0 ? schemes : schemes.toReversed()) {
    const known = find(scheme, seed);
    const result = known ?? (await runOnce(scheme, seed));
    if (!known) {
      results.push(result);
      if (flags.out !== undefined) await appendFile(flags.out, `${JSON.stringify(result)}\n`);
    }
    console.log(
      `seed ${seed}  ${scheme.padEnd(14)} ${folds === undefined ? 'test' : 'held-out'} accuracy ${(100 * result.accuracy).toFixed(1)} %  loss ${result.loss.toFixed(3)}  ` +
        `${result.steps} steps in ${result.seconds.toFixed(0)} s (whole run ${result.wallSeconds.toFixed(0)} s, ` +
        `processor ${result.processorSeconds.toFixed(0)} s)  gate open ${(100 * result.openShare).toFixed(0)} %  τ ${result.meanTau.toFixed(2)}${known ? '  (from the file)' : ''}`,
    );
  }

const accuraciesOf = (scheme: string) => seeds.map((seed) => find(scheme, seed)!.accuracy);
for (const scheme of schemes) {
  const { mean, deviation } = spreadOf(accuraciesOf(scheme));
  console.log(
    `${scheme}: mean ${(100 * mean).toFixed(2)} % ± ${(100 * deviation).toFixed(2)} over ${seeds.length} seeds`,
  );
}
const [baseline, ...others] = schemes;
for (const other of others) {
  const { mean, p } = pairedTest(accuraciesOf(other), accuraciesOf(baseline!));
  console.log(`${other} − ${baseline}: ${(100 * mean).toFixed(2)} points, p ${p?.toPrecision(2) ?? '–'} (paired)`);
}
