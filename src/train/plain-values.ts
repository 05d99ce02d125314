import type { FitOptions } from './fit-options.ts';

/** What zod checks: the options without functions and objects of ours. */
export function plainValues(options: FitOptions): Record<string, unknown> {
  const { scheme, learningRate, rateOf, validation, deriveMeasures, signal, trainers, resume, source, ...rest } =
    options;
  const { onStep, onScores, onMinibatch, onSkip, onDrop, onEpoch, onEnd, ...values } = rest;
  void [
    scheme,
    learningRate,
    rateOf,
    validation,
    deriveMeasures,
    signal,
    trainers,
    resume,
    source,
    onStep,
    onScores,
    onMinibatch,
    onSkip,
    onDrop,
    onEpoch,
    onEnd,
  ];
  return values;
}
