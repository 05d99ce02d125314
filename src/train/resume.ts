import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { RunError } from '../errors.ts';
import { isSavedScoring, SavedScoring } from '../importance/placement/saved-scoring.ts';
import type { SchemeRun } from '../importance/scheme.ts';
import { isSeededDropout } from '../model/dropout.ts';
import { parseOptions } from '../options.ts';
import type { Draw } from '../stream/minibatch.ts';
import type { AccountState } from './account.ts';
import { EarlyStoppingState } from './early-stopping.ts';
import type { Optimizer } from './optimizers/optimizer.ts';
import type { TensorData } from './safetensors.ts';

const count = z.int().nonnegative();

/** The state that `fit` keeps in a snapshot. Whatever else a checkpoint holds is left to who put it there. */
const ResumeState = z.object({
  step: count,
  seconds: z.number().nonnegative(),
  samplesSeen: count,
  samplesTrained: count,
  epoch: count,
  epochLosses: z.array(z.number()).readonly(),
  position: z.record(z.string(), z.unknown()).readonly(),
  gate: z.object({ average: z.number(), mass: z.number(), observations: count, isOpen: z.boolean() }),
  rng: z.array(z.number()).readonly(),
  noise: z.array(z.number()).readonly(),
  /** What the scheme remembers; it alone knows how to read it. */
  scheme: z.unknown().optional(),
  /** Presamples that were being scored ahead. */
  scoring: SavedScoring.optional(),
  optimizer: z.string(),
  /** What a scheme that leaves samples out had decided about those still to come. */
  admission: z.object({ refused: z.array(count).readonly(), trailing: count }).optional(),
  /** The presample in whose middle the run stood: the position is that of its first sample. */
  unfinished: z
    .object({
      rows: count,
      seenBefore: count,
      draws: z.array(z.custom<Draw>((value) => typeof value === 'object' && value !== null)).readonly(),
    })
    .optional(),
  costs: z.object({ scoreMs: z.number(), stepMs: z.number() }),
  earlyStopping: EarlyStoppingState.optional(),
  account: z.custom<AccountState>((value) => typeof value === 'object' && value !== null),
});
export type ResumeState = z.output<typeof ResumeState>;

/** @throws {OptionsError} when a checkpoint's state is not one of a run */
export const parseResumeState = (state: unknown): ResumeState => parseOptions('fit(): `resume`', ResumeState, state);

/** The same for one of several trainers: each fills a presample of its own, so draws that were left are given up. */
export function withoutDraws(state: unknown): ResumeState {
  const { unfinished, ...saved } = parseResumeState(state);
  return { ...saved, samplesSeen: unfinished?.seenBefore ?? saved.samplesSeen };
}

/** The variables that a run changes beside the model's weights, by name: counters of dropout masks. @returns borrowed */
export const countersOf = (model: tf.LayersModel): Record<string, tf.Variable> =>
  Object.fromEntries(model.layers.filter(isSeededDropout).map((layer) => [`counter/${layer.name}`, layer.drawn]));

/**
 * Puts a checkpoint's tensors back: the model's weights, counters, and what the optimizer remembers. Weights are found
 * by name; where names differ (tfjs numbers layers without one over the whole process), by their order in the model.
 *
 * @throws {RunError} when a tensor is missing, of another shape, or of no use here: it was another model's
 */
export function restoreTensors(
  model: tf.LayersModel,
  { optimizer, anchored }: { readonly optimizer: Optimizer; readonly anchored: Restorable | undefined },
  saved: { readonly optimizer: string; readonly tensors: Readonly<Record<string, TensorData>> },
): void {
  if (saved.optimizer !== optimizer.name) throw mismatch(`optimizer ${optimizer.name}`, saved.optimizer);
  const own = Object.entries(saved.tensors).filter(([name]) => !isSavedScoring(name));
  const left = new Map(Object.entries(renamed(Object.fromEntries(own), model)));
  const take = (name: string, shape: readonly (number | null)[]): tf.Tensor => {
    const found = left.get(name);
    left.delete(name);
    if (found?.shape.join() === shape.join()) return tf.tensor(found.data, [...found.shape]);
    throw mismatch(`\`${name}\` [${shape.join(', ')}]`, found ? `[${found.shape.join(', ')}]` : 'none');
  };
  const under = (prefix: string): Record<string, tf.Tensor> =>
    Object.fromEntries(
      [...left]
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, { shape }]) => [name.slice(prefix.length), take(name, shape)]),
    );
  tf.tidy(() => {
    for (const weight of model.weights) weight.write(take(`model/${weight.originalName}`, weight.shape));
    for (const [name, counter] of Object.entries(countersOf(model))) counter.assign(take(name, counter.shape));
    optimizer.restore(under('optimizer/'));
    anchored?.restore(under('anchored/'));
  });
  const unused = [...left.keys()].find((name) => !name.startsWith(schemePrefix));
  if (unused !== undefined) throw mismatch(`tensors of model \`${model.name}\` and its optimizer`, `\`${unused}\` too`);
}

/** Before the names of a scheme's own variables. */
const schemePrefix = 'scheme/';

/** A scheme's own variables by the names that checkpoints have them under. @returns borrowed */
export const variablesOf = (chooser: SchemeRun): Record<string, tf.Variable> =>
  Object.fromEntries(Object.entries(chooser.variables?.() ?? {}).map(([name, one]) => [`${schemePrefix}${name}`, one]));

/** @throws {RunError} when a variable is missing or of another shape: it was another scheme's */
export function restoreVariables(chooser: SchemeRun, tensors: Readonly<Record<string, TensorData>>): void {
  for (const [name, variable] of Object.entries(variablesOf(chooser))) {
    const found = tensors[name];
    if (found?.shape.join() !== variable.shape.join())
      throw mismatch(`\`${name}\` [${variable.shape.join(', ')}]`, found ? `[${found.shape.join(', ')}]` : 'none');
    tf.tidy(() => variable.assign(tf.tensor(found.data, [...found.shape])));
  }
}

/** What holds slots of its own. */
interface Restorable {
  restore(slots: Readonly<Record<string, tf.Tensor>>): void;
}

/** The tensors under the names that this model's weights have. */
function renamed(tensors: Readonly<Record<string, TensorData>>, model: tf.LayersModel): Record<string, TensorData> {
  const saved = Object.keys(tensors).filter((name) => name.startsWith('model/'));
  const own = model.weights.map(({ originalName }) => originalName);
  if (saved.length !== own.length) throw mismatch(`${own.length} weights`, `${saved.length}`);
  if (own.every((name) => `model/${name}` in tensors)) return { ...tensors };
  const pairs = saved.map((name, i) => [name.slice('model/'.length), own[i]!] as const);
  const rename = (name: string) => {
    const [kind, rest] = [name.slice(0, name.indexOf('/') + 1), name.slice(name.indexOf('/') + 1)];
    const pair = pairs.find(([from]) => rest === from || rest.startsWith(`${from}/`));
    return pair && kind !== 'counter/' ? `${kind}${pair[1]}${rest.slice(pair[0].length)}` : name;
  };
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [rename(name), tensor]));
}

const mismatch = (expected: string, got: string) =>
  new RunError(
    `fit(): \`resume\`: expected ${expected}, got ${got}. The checkpoint is another model's: resume with the model that it was taken from.`,
    { expected, got },
  );
