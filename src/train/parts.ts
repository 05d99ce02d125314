import { importance } from '../importance/importance.ts';
import { lookAhead } from '../importance/placement/look-ahead.ts';
import type { ScorePlace } from '../importance/placement/place.ts';
import { placeScores } from '../importance/placement/place-scores.ts';
import { aheadOf, type Placement } from '../importance/placement/placement-options.ts';
import { Tickets } from '../importance/placement/tickets.ts';
import { scorerOf } from '../importance/scorer-of.ts';
import { schemeOf } from '../importance/schemes.ts';
import type { Scheme, SchemeContext, SchemeRun } from '../importance/scheme.ts';
import type { Head } from '../model/head.ts';
import { presample } from '../presample/presample.ts';
import { Costs } from '../resample/costs.ts';
import { NoiseScale } from '../resample/noise-scale.ts';
import { resample } from '../resample/resample.ts';
import { effectiveSampleSize } from '../resample/tau.ts';
import { shutGate, tauGate, type TauGate } from '../resample/tau-gate.ts';
import type { Turnstile } from '../stream/gate.ts';
import type { Passed } from '../stream/presample.ts';
import { InFlight } from '../stream/in-flight.ts';
import { Meter } from '../stream/meter.ts';
import type { Presample, Scored } from '../stream/presample.ts';
import { createRng, rngFrom, type Rng } from '../stream/random.ts';
import type { Corpus, Sample } from '../stream/sample.ts';
import type { Stage } from '../stream/stage.ts';
import { createTurnstile } from '../stream/turnstile.ts';
import { asReadable, asTransform } from '../stream/transform.ts';
import { Admission } from './admission.ts';
import type { FitOptions, FitSettings } from './fit-options.ts';
import { openStream, type OpenStream } from './open-stream.ts';
import type { ResumeState } from './resume.ts';
import { schemeOfMode } from './modes.ts';
import { Trainer } from './trainer.ts';

/** Samples read ahead of presample, so that a shard's reads overlap with computing. */
const samplesAhead = 64;

/** The stages of one run and what they share. */
export type Parts = ReturnType<typeof assemble>;

/** What a run offers to the scheme that it is assembled for. */
export type RunContext = Pick<SchemeContext, 'share' | 'trainCopy' | 'heldOut'>;

/** Makes the stages of a run, wired to one gate, one turnstile and one account of costs. */
export function assemble(
  head: Head,
  corpus: Corpus,
  values: FitSettings,
  options: FitOptions,
  context: RunContext,
  saved?: ResumeState,
) {
  const scheme = schemeOf(options.scheme ?? schemeOfMode(values.mode));
  const { schema } = corpus;
  const { batchSize, seed, scoreBatchSize, presampleSize } = values;
  const sizes = { presampleSize, batchSize, scoreBatchSize };
  const chooser = scheme.start?.({ head, corpus, schema, seed, ...sizes, ...context }) ?? {};
  const [costs, noise, meter, inFlight] = [new Costs(), new NoiseScale(), new Meter(), new InFlight()];
  const sized = { ...values, presampleSize: chooser.presampleSize ?? presampleSize };
  const gate = gateOf(scheme, chooser, sized, { costs, noise: () => noise.value / batchSize });
  const place = values.score && placeScores({ head, scheme, chooser, schema, ...sized }, values.score);
  const tickets = place && ticketsOf(place, values.score, gate);
  const turnstile: Turnstile = tickets ?? createTurnstile(values.ahead);
  const rng = saved ? rngFrom(saved.rng) : createRng(seed, 'resample');
  const shared = { scheme, chooser, costs, turnstile, place, tickets, meter, inFlight, rng };
  const observed: Observed = { effectiveSampleSize: batchSize };
  const onScores: FitOptions['onScores'] = (batch, scores) => {
    observed.effectiveSampleSize = effectiveSampleSize(scores);
    options.onScores?.(batch, scores);
  };
  const wiring = { ...shared, gate, head, corpus, values, share: context.share, onScores, onSkip: options.onSkip };
  const trainer = trainerOf(wiring, noise, observed);
  let stream: OpenStream | undefined;
  const admission = chooser.admit && new Admission((id) => chooser.admit!(id));
  const stages = (signal: AbortSignal) => {
    const { epochs = Infinity } = values;
    const mayWait = values.lengths?.boundaries !== undefined;
    stream = openStream(corpus, { seed, epochs, signal }, { from: saved?.position, mayWait });
    const { samples, rejoined } = stream;
    return stagesOf(wiring, admission ? admission.admitted(samples, rejoined) : samples, signal);
  };

  /** What the stages must remember beside tensors, when so many samples were trained on, passed by, or wait. */
  const state = (passed: Passed) => ({
    gate: gate.state(),
    noise: noise.state(),
    rng: shared.rng.state(),
    costs: costs.state(),
    optimizer: trainer.optimizer.name,
    position: stream?.position(admission?.passed(passed) ?? passed) ?? saved?.position ?? {},
    ...(chooser.state && { scheme: chooser.state() }),
  });
  return { ...shared, gate, noise, observed, trainer, stages, state };
}

/** What a run has seen last. */
interface Observed {
  effectiveSampleSize: number;
  /** What a step's own minibatch scored before the step. */
  stepScores?: Float32Array;
}

const ticketsOf = (place: ScorePlace, placement: Placement, gate: TauGate) =>
  new Tickets({ ...placement, ahead: aheadOf(placement), gate, onScored: (version) => place.retain(version) });

interface Wiring {
  readonly place: ScorePlace | undefined;
  readonly tickets: Tickets | undefined;
  readonly onScores: NonNullable<FitOptions['onScores']>;
  readonly onSkip: FitOptions['onSkip'] | undefined;
  readonly scheme: Scheme;
  readonly chooser: SchemeRun;
  readonly gate: TauGate;
  readonly costs: Costs;
  readonly turnstile: Turnstile;
  readonly meter: Meter;
  readonly inFlight: InFlight;
  readonly rng: Rng;
  readonly head: Head;
  readonly corpus: Corpus;
  readonly values: FitSettings;
  readonly share: () => number;
}

function trainerOf(wiring: Wiring, noise: NoiseScale, observed: Observed) {
  const { head, corpus, scheme, chooser, gate, costs, values, onScores, place } = wiring;
  const isNoiseAsked =
    values.tauThreshold === 'progress' || values.rateScaling === 'gain' || values.rateScaling === 'cost';
  const isDrawn = chooser.fetch === undefined ? scheme.score !== undefined : chooser.fetch !== 'never';
  return new Trainer(head, {
    schema: corpus.schema,
    gate,
    onScores,
    score: chooser.fetch === 'always' ? undefined : scheme.score,
    stepScore: chooser.stepScore ?? (place && !chooser.update ? scheme.score : undefined),
    trained: (ids, scores) => {
      observed.stepScores = scores;
      chooser.trained?.(ids, scores);
    },
    update: chooser.update,
    noise: isNoiseAsked && isDrawn ? noise : undefined,
    clipNorm: values.clipNorm,
    weightDecay: values.weightDecay,
    onCost: (samples, ms) => costs.trained(samples, ms),
  });
}

/** The source and the three stages, as Node streams. */
function stagesOf(wiring: Wiring, samples: AsyncIterable<Sample>, signal: AbortSignal) {
  const { chooser, turnstile, meter, inFlight, corpus, values } = wiring;
  const { batchSize } = values;
  const gate = wiring.tickets?.gate ?? wiring.gate;
  const fill = presample({
    schema: corpus.schema,
    gate,
    turnstile,
    inFlight,
    signal,
    batchSize,
    lengths: values.lengths,
    presampleSize: chooser.presampleSize ?? values.presampleSize,
    fillSize: chooser.fillSize && (() => chooser.fillSize!(gate.tau)),
  });
  return [
    asReadable(samples, samplesAhead),
    asTransform(meter.count('presample', fill), 1),
    asTransform(meter.count('importance', scoring(wiring, signal)), 1),
    asTransform(meter.count('resample', drawing(wiring)), 1),
  ] as const;
}

function scoring(wiring: Wiring, signal: AbortSignal): Stage<Presample, Scored> {
  const { scheme, chooser, head, corpus, values, turnstile, costs, onScores, onSkip, place, tickets } = wiring;
  const { onBadScore, scoreBatchSize } = values;
  const byScheme = () => scorerOf(scheme, head, { schema: corpus.schema, scoreBatchSize });
  const scorer = place ?? (chooser.scorer === undefined ? byScheme() : chooser.scorer);
  const onCost = (count: number, ms: number) => costs.scored(count, ms); // scored elsewhere: what is waited for it
  const stage = importance(scorer ?? undefined, { turnstile, onBadScore, onCost, onSkip, onScores });
  return place && tickets ? (source) => stage(lookAhead(place, tickets, signal)(source)) : stage;
}

function drawing({ chooser, gate, rng, values, share }: Wiring) {
  const { seed, batchSize, draws, additive, adaptive, power, uniformFloor } = values;
  return resample({
    gate,
    rng,
    batchSize,
    seed,
    draws,
    additive,
    adaptive,
    power,
    uniformFloor,
    share,
    ...(chooser.selection && { selection: chooser.selection }),
    ...(chooser.drawCount && { drawCount: chooser.drawCount }),
    ...(chooser.weightOf && { weightOf: chooser.weightOf }),
  });
}

function gateOf(
  scheme: Scheme,
  chooser: SchemeRun,
  values: FitSettings,
  { costs, noise }: { costs: Costs; noise: () => number },
): TauGate {
  const { tauThreshold, tauSmoothing, warmUp, hysteresis, presampleSize, batchSize, draws } = values;
  const { fetch = scheme.score ? 'gate' : 'never', breakEven } = chooser;
  if (fetch === 'never') return shutGate();
  if (fetch === 'always') return tauGate({ tauThreshold: 0, tauSmoothing });
  return tauGate({
    tauThreshold,
    tauSmoothing,
    warmUp,
    hysteresis,
    costs,
    noise,
    presampleSize,
    batchSize,
    draws,
    breakEven: breakEven && (() => breakEven(costs.perSample)),
  });
}
