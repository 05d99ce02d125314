import { computed } from '../engine/compile.ts';
import { importance } from '../importance/importance.ts';
import { lookAhead } from '../importance/placement/look-ahead.ts';
import type { ScorePlace } from '../importance/placement/place.ts';
import { placeScores } from '../importance/placement/place-scores.ts';
import { aheadOf, type Placement } from '../importance/placement/placement-options.ts';
import type { SavedScoring } from '../importance/placement/saved-scoring.ts';
import { Tickets } from '../importance/placement/tickets.ts';
import { scorerOf } from '../importance/scorer-of.ts';
import { schemeOf } from '../importance/schemes.ts';
import type { Scheme, SchemeContext, SchemeRun } from '../importance/scheme.ts';
import type { Head } from '../model/head.ts';
import { presample, type Unfinished } from '../presample/presample.ts';
import { Costs } from '../resample/costs.ts';
import { NoiseScale } from '../resample/noise-scale.ts';
import { resample } from '../resample/resample.ts';
import { effectiveSampleSize } from '../resample/tau.ts';
import { shutGate, tauGate, type TauGate } from '../resample/tau-gate.ts';
import { clocks } from '../stream/clock.ts';
import type { Turnstile } from '../stream/gate.ts';
import type { Passed } from '../stream/presample.ts';
import { InFlight } from '../stream/in-flight.ts';
import { Meter } from '../stream/meter.ts';
import type { Presample, Scored } from '../stream/presample.ts';
import { createRng, rngFrom, type Rng } from '../stream/random.ts';

import type { Stage } from '../stream/stage.ts';
import { fillsRows, type Corpus } from '../stream/sample.ts';
import { createTurnstile } from '../stream/turnstile.ts';
import { asReadable, asTransform } from '../stream/transform.ts';
import { Admission } from './admission.ts';
import type { BatchSource } from './batch-source.ts';
import type { FitOptions, FitSettings } from './fit-options.ts';
import { decodedAhead } from './decoded-ahead.ts';
import { Fetching } from './fetching.ts';
import { openStream, type OpenStream } from './open-stream.ts';
import type { ResumeState } from './resume.ts';
import { schemeOfMode } from './modes.ts';
import { Trainer } from './trainer.ts';
import { Agreement } from './trainers/agreement.ts';
import { sharedGate } from './trainers/shared-gate.ts';
import type { Trainers } from './trainers/trainers.ts';

/** Samples made ahead of presample, where each takes a promise, so that making them overlaps with computing. */
const samplesAhead = 64;

/** The stages of one run and what they share. */
export type Parts = ReturnType<typeof assemble>;

/** What a run offers to the scheme that it is assembled for. */
export type RunContext = Pick<SchemeContext, 'share' | 'trainCopy' | 'copyModel' | 'heldOut'>;

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
  // Scored elsewhere it costs this process nothing, whatever B is: the gate breaks even at τ = 1.
  const weighedBy = options.source ? { ...sized, presampleSize: 0 } : sized;
  const own = gateOf(scheme, chooser, weighedBy, { costs, noise: () => noise.value / batchSize });
  const { trainers } = options;
  const { gate, agreement } = shared(own, trainers, head);
  const place = values.score && placeScores({ head, scheme, chooser, schema, ...sized }, values.score);
  const tickets = place && ticketsOf(place, values.score, gate);
  const turnstile: Turnstile = tickets ?? createTurnstile(values.ahead);
  const [rng, fetching] = [rngOf(seed, saved, trainers), new Fetching(meter, turnstile, options.signal)];
  const common = { scheme, chooser, costs, turnstile, fetching, place, tickets, meter, inFlight, rng, agreement };
  const observed: Observed = { effectiveSampleSize: batchSize };
  const onScores: FitOptions['onScores'] = (batch, scores) => {
    observed.effectiveSampleSize = effectiveSampleSize(scores);
    options.onScores?.(batch, scores);
  };
  const { onSkip, onDrop, rateOf } = options;
  const offered = { head, corpus, scheme, values, gate, inFlight, onScores, onSkip, position: saved?.position };
  const source = options.source?.(offered);
  const told = { onScores, onSkip, onDrop, rateOf };
  const wiring = { ...common, ...told, gate, head, corpus, values, share: context.share, source };
  const trainer = trainerOf(wiring, noise, observed);
  let stream: OpenStream | undefined;
  const admission = chooser.admit && new Admission((id) => chooser.admit!(id), saved?.admission);
  const stages = (signal: AbortSignal) => {
    if (source) return [asReadable(meter.taking('source', source.minibatches(signal)), 1)] as const;
    const { epochs = Infinity } = values;
    const mayWait = values.lengths?.boundaries !== undefined;
    const ahead = decodedAhead(corpus.schema, chooser.presampleSize ?? values.presampleSize);
    stream = openStream(corpus, { seed, epochs, signal, ahead }, { from: saved?.position, mayWait, share: trainers });
    const { samples, rejoined } = stream;
    const admitted = admission ? admission.admitted(samples, rejoined) : samples;
    return stagesOf(wiring, { samples: admitted, rejoined }, { signal, unfinished: saved?.unfinished });
  };

  /** What the stages must remember beside tensors, when so many samples were trained on, passed by, or wait. */
  const state = (passed: Passed, scoring?: SavedScoring) => ({
    ...(scoring && { scoring }),
    gate: gate.state(),
    noise: noise.state(),
    rng: rng.state(),
    costs: costs.state(),
    optimizer: trainer.optimizer.name,
    position: source?.position() ?? stream?.position(admission?.passed(passed) ?? passed) ?? saved?.position ?? {},
    ...(admission && { admission: admission.state() }),
    ...(chooser.state && { scheme: chooser.state() }),
  });
  return { ...common, gate, noise, observed, trainer, stages, state, source };
}

/** What a run has seen last. */
interface Observed {
  effectiveSampleSize: number;
  /** What a step's own minibatch scored before the step. */
  stepScores?: Float32Array;
}

const ticketsOf = (place: ScorePlace, placement: Placement, gate: TauGate) =>
  new Tickets({ ...placement, ahead: aheadOf(placement), gate, onScored: (version) => place.retain(version) });

/** The gate of one of several trainers moves by what all of them say; without others it is its own. */
function shared(own: TauGate, trainers: Trainers | undefined, { model }: Head) {
  if (!trainers) return { gate: own, agreement: undefined };
  const gate = sharedGate(own);
  return { gate, agreement: new Agreement(trainers, gate, model) };
}

/** Each trainer draws by numbers of its own; a run that goes on with other trainers than before takes new ones. */
function rngOf(seed: number, saved: ResumeState | undefined, trainers: Trainers | undefined): Rng {
  if (trainers) return createRng(seed, 'resample', 'trainer', trainers.rank, trainers.world, saved?.step ?? 0);
  return saved ? rngFrom(saved.rng) : createRng(seed, 'resample');
}

interface Wiring {
  readonly agreement: Agreement | undefined;
  readonly source: BatchSource | undefined;
  readonly fetching: Fetching;
  readonly place: ScorePlace | undefined;
  readonly tickets: Tickets | undefined;
  readonly onScores: NonNullable<FitOptions['onScores']>;
  readonly onSkip: FitOptions['onSkip'] | undefined;
  readonly rateOf: FitOptions['rateOf'] | undefined;
  readonly onDrop: FitOptions['onDrop'] | undefined;
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
  const { head, corpus, scheme, chooser, gate, costs, values, onScores, rateOf } = wiring;
  const isElsewhere = (wiring.place ?? wiring.source) !== undefined;
  const isNoiseAsked =
    values.tauThreshold === 'progress' || values.rateScaling === 'gain' || values.rateScaling === 'cost';
  const isDrawn = chooser.fetch === undefined ? scheme.score !== undefined : chooser.fetch !== 'never';
  return new Trainer(head, {
    schema: corpus.schema,
    gate,
    onScores,
    score: chooser.fetch === 'always' ? undefined : scheme.score,
    stepScore: chooser.stepScore ?? (isElsewhere && !chooser.update ? scheme.score : undefined),
    trained: (ids, scores) => {
      observed.stepScores = scores;
      chooser.trained?.(ids, scores);
    },
    update: chooser.update,
    noise: isNoiseAsked && isDrawn ? noise : undefined,
    clipNorm: values.clipNorm,
    weightDecay: values.weightDecay,
    averaging: values.averaging,
    rateOf,
    agreement: wiring.agreement,
    // What comes over a network must be answered, however long a step is computed.
    ...(wiring.source ? { whenComputed: computed } : wiring.fetching.ofTrainer),
    onCost: (samples, ms) => costs.trained(samples, ms),
    clock: clocks[values.clock],
  });
}

/**
 * The source and the three stages, as Node streams. A source that writes rows is no stream of its own: presample has it
 * fill its buffers, and it reads ahead by itself.
 */
function stagesOf(
  wiring: Wiring,
  { samples, rejoined }: Pick<OpenStream, 'samples' | 'rejoined'>,
  { signal, unfinished }: { readonly signal: AbortSignal; readonly unfinished: Unfinished | undefined },
) {
  const { chooser, turnstile, meter, inFlight, corpus, values } = wiring;
  const { batchSize } = values;
  const gate = wiring.tickets?.gate ?? wiring.gate;
  const fill = presample({
    schema: corpus.schema,
    gate,
    turnstile: meter.holding(turnstile),
    inFlight,
    signal,
    unfinished,
    batchSize,
    lengths: values.lengths,
    rejoined,
    onDrop: wiring.onDrop,
    presampleSize: chooser.presampleSize ?? values.presampleSize,
    fillSize: chooser.fillSize && (() => chooser.fillSize!(gate.tau)),
  });
  const fills = meter.count('presample', fill);
  const filled = fillsRows(samples)
    ? ([asReadable(fills(samples), 1)] as const)
    : ([asReadable(samples, samplesAhead), asTransform(fills, 1)] as const);
  return [
    ...filled,
    asTransform(meter.count('importance', scored(wiring, signal)), 1),
    asTransform(meter.count('resample', drawing(wiring)), 1),
  ] as const;
}

function scored(wiring: Wiring, signal: AbortSignal): Stage<Presample, Scored> {
  const { scheme, chooser, head, corpus, values, turnstile, costs, onScores, onSkip, place, tickets } = wiring;
  const { onBadScore, scoreBatchSize } = values;
  const byScheme = () => scorerOf(scheme, head, { schema: corpus.schema, scoreBatchSize });
  const scorer = place ?? (chooser.scorer === undefined ? byScheme() : chooser.scorer);
  const onCost = (count: number, ms: number) => costs.scored(count, ms); // scored elsewhere: what is waited for it
  const clock = clocks[values.clock];
  const stage = importance(scorer ?? undefined, { turnstile, onBadScore, onCost, onSkip, onScores, clock });
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
