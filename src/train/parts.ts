import { importance } from '../importance/importance.ts';
import { modelScorer, type Scorer } from '../importance/model-scorer.ts';
import { schemeOf } from '../importance/schemes.ts';
import type { Scheme, SchemeContext, SchemeRun } from '../importance/scheme.ts';
import type { Head } from '../model/head.ts';
import { presample } from '../presample/presample.ts';
import { Costs } from '../resample/costs.ts';
import { resample } from '../resample/resample.ts';
import { effectiveSampleSize } from '../resample/tau.ts';
import { shutGate, tauGate, type TauGate } from '../resample/tau-gate.ts';
import { InFlight } from '../stream/in-flight.ts';
import { Meter } from '../stream/meter.ts';
import { createRng, type Rng } from '../stream/random.ts';
import type { Schema } from '../stream/columns.ts';
import type { Corpus, Sample } from '../stream/sample.ts';
import { createTurnstile } from '../stream/turnstile.ts';
import { asReadable, asTransform } from '../stream/transform.ts';
import type { FitOptions, FitSettings } from './fit-options.ts';
import { Trainer } from './trainer.ts';

/** Samples read ahead of presample, so that a shard's reads overlap with computing. */
const samplesAhead = 64;

/** The stages of one run and what they share. */
export type Parts = ReturnType<typeof assemble>;

/** What a run offers to the scheme that it is assembled for. */
export type RunContext = Pick<SchemeContext, 'share' | 'trainCopy'>;

/** Makes the stages of a run, wired to one gate, one turnstile and one account of costs. */
export function assemble(head: Head, corpus: Corpus, values: FitSettings, options: FitOptions, context: RunContext) {
  const scheme = schemeOf(options.scheme ?? 'upper-bound');
  const { schema } = corpus;
  const { batchSize, seed, scoreBatchSize } = values;
  const sizes = { presampleSize: values.presampleSize, batchSize, scoreBatchSize };
  const chooser = scheme.start?.({ head, corpus, schema, seed, ...sizes, ...context }) ?? {};
  const presampleSize = chooser.presampleSize ?? values.presampleSize;
  const [costs, turnstile, meter, inFlight] = [new Costs(), createTurnstile(values.ahead), new Meter(), new InFlight()];
  const rng = createRng(seed, 'resample');
  const gate = gateOf(scheme, chooser, { ...values, presampleSize }, costs);
  const observed = { effectiveSampleSize: batchSize };
  const onScores: FitOptions['onScores'] = (batch, scores) => {
    observed.effectiveSampleSize = effectiveSampleSize(scores);
    options.onScores?.(batch, scores);
  };
  const trainer = new Trainer(head, {
    schema,
    gate,
    onScores,
    score: chooser.fetch === 'always' ? undefined : scheme.score,
    stepScore: chooser.stepScore,
    trained: chooser.trained && ((ids, scores) => chooser.trained!(ids, scores)),
    update: chooser.update,
    clipNorm: values.clipNorm,
    weightDecay: values.weightDecay,
    onCost: (samples, ms) => costs.trained(samples, ms),
  });

  const stages = (signal: AbortSignal) => {
    const samples = admitted(corpus.samples({ seed, epochs: values.epochs ?? Infinity, signal }), chooser);
    const fillSize = chooser.fillSize && (() => chooser.fillSize!(gate.tau));
    const { additive, adaptive, power, uniformFloor, draws } = values;
    return [
      asReadable(samples, samplesAhead),
      asTransform(
        meter.count(
          'presample',
          presample({ schema, gate, turnstile, inFlight, signal, presampleSize, batchSize, fillSize }),
        ),
        1,
      ),
      asTransform(
        meter.count(
          'importance',
          importance(scorerOf(scheme, chooser, head, values, schema), {
            turnstile,
            onScores,
            onBadScore: values.onBadScore,
            onCost: (count, ms) => costs.scored(count, ms),
            onSkip: options.onSkip,
          }),
        ),
        1,
      ),
      asTransform(
        meter.count(
          'resample',
          resample(({
	gate,
	rng,
	batchSize,
	seed,
	draws,
	additive,
	adaptive,
	power,
	uniformFloor,
	share: () => context.share(),
	...chooser.selection && { selection: chooser.selection },
	...chooser.drawCount && { drawCount: () => chooser.drawCount!() },
	...chooser.weightOf && { weightOf: (id: string) => chooser.weightOf!(id) }
})),
        ),
        1,
      ),
    ] as const;
  };

  return { scheme, chooser, gate, costs, turnstile, meter, inFlight, rng, observed, trainer, stages };
}

/** What a run must remember beside its tensors. */
export const stateOf = ({ gate, rng, chooser }: { gate: TauGate; rng: Rng; chooser: SchemeRun }) => ({
  gate: gate.state(),
  rng: rng.state(),
  ...(chooser.state && { scheme: chooser.state() }),
});

/** The samples that the scheme lets in. */
async function* admitted(samples: AsyncIterable<Sample>, chooser: SchemeRun): AsyncGenerator<Sample, void, void> {
  for await (const sample of samples) if (chooser.admit?.(sample.id) ?? true) yield sample;
}

function scorerOf(
  scheme: Scheme,
  chooser: SchemeRun,
  head: Head,
  { scoreBatchSize }: FitSettings,
  schema: Schema,
): Scorer | undefined {
  if (chooser.scorer !== undefined) return chooser.scorer ?? undefined;
  return scheme.score && modelScorer(head, { scheme, schema, scoreBatchSize });
}

function gateOf(scheme: Scheme, chooser: SchemeRun, values: FitSettings, costs: Costs): TauGate {
  const { tauThreshold, tauSmoothing, warmUp, hysteresis, presampleSize, batchSize, draws } = values;
  const { fetch = scheme.score ? 'gate' : 'never', breakEven } = chooser;
  if (fetch === 'never') return shutGate();
  if (fetch === 'always') return tauGate({ tauThreshold: 0, tauSmoothing });
  return tauGate(({
	tauThreshold,
	tauSmoothing,
	warmUp,
	hysteresis,
	costs,
	presampleSize,
	batchSize,
	draws,
	breakEven: breakEven && (() => breakEven(costs.perSample))
}));
}
