import * as tf from '@tensorflow/tfjs';
import { messageOf } from '../../errors.ts';
import { cpuEngine } from '../cpu-engine.ts';
import type { Engine } from '../engine.ts';
import { compileWithinTidy } from '../within-tidy.ts';
import { type ConformanceCase, finiteDifference, type Readings, slope } from './case.ts';
import { cudnnCases } from './cudnn-cases.ts';
import { imageOpCases } from './image-op-cases.ts';
import { reasonToSkip } from './known-gaps.ts';
import { layerCases } from './layer-cases.ts';
import { opCases } from './op-cases.ts';
import { scoreCases } from './score-cases.ts';
import { compiledCases, trainingCases } from './training-cases.ts';

/** Every case, in the order in which they run. */
export const conformanceCases: readonly ConformanceCase[] = [
  ...opCases,
  ...imageOpCases,
  ...layerCases,
  ...cudnnCases,
  ...scoreCases,
  ...trainingCases,
  ...compiledCases,
];

/** How one case went. */
export interface CaseResult {
  readonly group: ConformanceCase['group'];
  readonly name: string;
  readonly status: 'passed' | 'failed' | 'skipped';
  /** Largest error |a - b| / (1 + |b|) found; 0 when skipped. */
  readonly worst: number;
  readonly tolerance: number;
  /** Why it failed or was skipped. */
  readonly reason?: string;
  readonly milliseconds: number;
}

/** Error allowed between a slope by the gradient and one by a finite difference in float32. */
const slopeTolerance = 2e-2;

/**
 * Runs each case on `engine`, which must be active, and on the `cpu` engine, and holds the results against each other
 * and gradients against finite differences. Yields a result a case; a case that throws fails and the others go on.
 * `engine` is active again between the cases and at the end.
 *
 * @example
 * for await (const result of runConformance(await useEngine('wasm'))) console.log(result.name, result.status);
 */
export async function* runConformance(
  engine: Engine,
  cases: readonly ConformanceCase[] = conformanceCases,
): AsyncGenerator<CaseResult> {
  const backend = tf.getBackend();
  const restore = computeOnDevice(engine);
  try {
    for (const each of cases) yield await runCase(engine, backend, each);
  } finally {
    restore();
  }
}

/** Keeps the WebGPU backend from computing small tensors in JavaScript, which would test nothing. */
function computeOnDevice(engine: Engine): () => void {
  const flag = 'WEBGPU_CPU_FORWARD';
  if (engine.name !== 'webgpu') return () => undefined;
  const before = tf.env().getBool(flag);
  tf.env().set(flag, false);
  return () => tf.env().set(flag, before);
}

async function runCase(engine: Engine, backend: string, each: ConformanceCase): Promise<CaseResult> {
  const { group, name, tolerance } = each;
  const start = performance.now();
  const result = (status: CaseResult['status'], worst: number, reason?: string): CaseResult => {
    const milliseconds = performance.now() - start;
    return { group, name, status, worst, tolerance, ...(reason && { reason }), milliseconds };
  };
  const gap = reasonToSkip(engine, each);
  if (gap) return result('skipped', 0, gap);
  try {
    const actual = await each.compute(engine);
    const expected = await reference(engine, backend, each);
    const { worst, where } = furthest(actual, expected);
    if (!(worst <= tolerance)) return result('failed', worst, `${where} is off by ${worst.toExponential(1)}`);
    const apart = slopesApart(actual);
    if (apart > slopeTolerance) return result('failed', apart, `the gradient is not the slope of the loss`);
    return result('passed', worst);
  } catch (error) {
    return result('failed', Infinity, messageOf(error));
  }
}

/** What the case gives where it is known to be right. */
async function reference(engine: Engine, backend: string, each: ConformanceCase): Promise<Readings> {
  const compute = (on: Engine) => each.reference?.(on) ?? each.compute(on);
  if (each.against === 'eager') return compute({ ...engine, compile: compileWithinTidy });
  try {
    return await compute(await cpuEngine());
  } finally {
    await tf.setBackend(backend);
  }
}

function furthest(actual: Readings, expected: Readings): { worst: number; where: string } {
  let [worst, where] = [0, ''];
  for (const [name, values] of Object.entries(expected)) {
    const got = actual[name];
    if (name === finiteDifference) continue;
    if (got?.length !== values.length) return { worst: Infinity, where: `the size of ${name}` };
    for (let i = 0; i < values.length; i++) {
      const error = Math.abs(got[i]! - values[i]!) / (1 + Math.abs(values[i]!));
      // A NaN is further away than anything else.
      if (!(error <= worst)) [worst, where] = [Number.isNaN(error) ? Infinity : error, `${name} [${i}]`];
    }
  }
  return { worst, where };
}

function slopesApart(readings: Readings): number {
  const [gradient, difference] = [readings[slope]?.[0], readings[finiteDifference]?.[0]];
  return gradient === undefined || difference === undefined
    ? 0
    : Math.abs(gradient - difference) / (1 + Math.abs(difference));
}
