import { importance } from '../importance/importance.ts';
import { modelScorer } from '../importance/model-scorer.ts';
import { schemeOf } from '../importance/schemes.ts';
import type { Scheme } from '../importance/scheme.ts';
import type { Head } from '../model/head.ts';
import { presample } from '../presample/presample.ts';
import { Costs } from '../resample/costs.ts';
import { resample } from '../resample/resample.ts';
import { effectiveSampleSize } from '../resample/tau.ts';
import { shutGate, tauGate, type TauGate } from '../resample/tau-gate.ts';
import { InFlight } from '../stream/in-flight.ts';
import { Meter } from '../stream/meter.ts';
import { createRng, type Rng } from '../stream/random.ts';
import type { Corpus } from '../stream/sample.ts';
import { createTurnstile } from '../stream/turnstile.ts';
import { asReadable, asTransform } from '../stream/transform.ts';
import type { FitOptions, FitSettings } from './fit-options.ts';
import { Trainer } from './trainer.ts';

/** Samples read ahead of presample, so that a shard's reads overlap with computing. */
const samplesAhead = 64;

/** The stages of one run and what they share. */
export type Parts = ReturnType<typeof assemble>;

/** Makes the stages of a run, wired to one gate, one turnstile and one account of costs. */
export function assemble(head: Head, corpus: Corpus, values: FitSettings, options: FitOptions) {
  const scheme = schemeOf(options.scheme ?? 'upper-bound');
  const { schema } = corpus;
  const { presampleSize, batchSize, seed } = values;
  const [costs, turnstile, meter, inFlight] = [new Costs(), createTurnstile(values.ahead), new Meter(), new InFlight()];
  const rng = createRng(seed, 'resample');
  const gate = gateOf(scheme, values, costs);
  const observed = { effectiveSampleSize: batchSize };
  const onScores: FitOptions['onScores'] = (batch, scores) => {
    observed.effectiveSampleSize = effectiveSampleSize(scores);
    options.onScores?.(batch, scores);
  };
  const scorer = scheme.score && modelScorer(head, { scheme, schema, scoreBatchSize: values.scoreBatchSize });
  const trainer = new Trainer(head, {
    schema,
    scheme,
    gate,
    onScores,
    clipNorm: values.clipNorm,
    weightDecay: values.weightDecay,
    onCost: (samples, ms) => costs.trained(samples, ms),
  });

  const stages = (signal: AbortSignal) =>
    [
      asReadable(corpus.samples({ seed, epochs: values.epochs ?? Infinity, signal }), samplesAhead),
      asTransform(
        meter.count('presample', presample({ schema, gate, turnstile, inFlight, signal, presampleSize, batchSize })),
        1,
      ),
      asTransform(
        meter.count(
          'importance',
          importance(scorer, {
            turnstile,
            onScores,
            onBadScore: values.onBadScore,
            onCost: (samples, ms) => costs.scored(samples, ms),
            onSkip: options.onSkip,
          }),
        ),
        1,
      ),
      asTransform(meter.count('resample', resample({ gate, rng, batchSize, seed })), 1),
    ] as const;

  return { scheme, gate, turnstile, meter, inFlight, rng, observed, trainer, stages };
}

/** What a run must remember beside its tensors. */
export const stateOf = ({ gate, rng }: { gate: TauGate; rng: Rng }) => ({ gate: gate.state(), rng: rng.state() });

function gateOf(scheme: Scheme, values: FitSettings, costs: Costs): TauGate {
  if (!scheme.score) return shutGate();
  const { tauThreshold, tauSmoothing, warmUp, hysteresis, presampleSize, batchSize } = values;
  return tauGate({ tauThreshold, tauSmoothing, warmUp, hysteresis, costs, presampleSize, batchSize });
}
