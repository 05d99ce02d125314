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
import { createRng, rngFrom } from '../stream/random.ts';
import type { Corpus } from '../stream/sample.ts';
import { createTurnstile } from '../stream/turnstile.ts';
import { asReadable, asTransform } from '../stream/transform.ts';
import type { FitOptions, FitSettings } from './fit-options.ts';
import { openStream, type OpenStream, type ResumeState } from './resume.ts';
import { Trainer } from './trainer.ts';

/** Samples read ahead of presample, so that a shard's reads overlap with computing. */
const samplesAhead = 64;

/** The stages of one run and what they share. */
export type Parts = ReturnType<typeof assemble>;

/** Makes the stages of a run, wired to one gate, one turnstile and one account of costs. */
export function assemble(head: Head, corpus: Corpus, values: FitSettings, options: FitOptions, saved?: ResumeState) {
  const scheme = schemeOf(options.scheme ?? 'upper-bound');
  const { schema } = corpus;
  const { presampleSize, batchSize, seed } = values;
  const [costs, turnstile, meter, inFlight] = [new Costs(), createTurnstile(values.ahead), new Meter(), new InFlight()];
  const rng = saved ? rngFrom(saved.rng) : createRng(seed, 'resample');
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

  let stream: OpenStream | undefined;
  const stages = (signal: AbortSignal) => {
    stream = openStream(corpus, { seed, epochs: values.epochs ?? Infinity, signal }, saved?.position);
    return [
      asReadable(stream.samples, samplesAhead),
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
  };

  /** What the stages must remember beside tensors, when `taken` samples of the stream were trained on or passed by. */
  const state = (taken: number) => ({
    gate: gate.state(),
    rng: rng.state(),
    costs: costs.state(),
    optimizer: trainer.optimizer.name,
    position: stream?.position(taken) ?? saved?.position ?? {},
  });
  return { scheme, gate, turnstile, meter, inFlight, costs, observed, trainer, stages, state };
}

function gateOf(scheme: Scheme, values: FitSettings, costs: Costs): TauGate {
  if (!scheme.score) return shutGate();
  const { tauThreshold, tauSmoothing, warmUp, hysteresis, presampleSize, batchSize } = values;
  return tauGate({ tauThreshold, tauSmoothing, warmUp, hysteresis, costs, presampleSize, batchSize });
}
