import { resolve } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { activeEngine } from '../../engine/use-engine.ts';
import { engineNames } from '../../engine/engine.ts';
import { ModelError, OptionsError, firstLineOf } from '../../errors.ts';
import { compiledParts, type LossSpec } from '../../model/compiled.ts';
import type { Head } from '../../model/head.ts';
import type { Schema } from '../../stream/columns.ts';
import type { Scheme } from '../scheme.ts';
import { schemes } from '../schemes.ts';
import type { ScoreRecipe, WeightSpec } from './jobs.ts';
import type { Placement } from './placement-options.ts';

/** Losses of tfjs that are functions, as they are named in a recipe. */
const prefix = 'tf.losses.';
const functionsByName = new Map<string, LossSpec>(
  Object.entries(tf.losses).map(([name, loss]) => [prefix + name, loss as LossSpec]),
);
const namesByFunction = new Map([...functionsByName].map(([name, loss]) => [loss, name]));

/** The loss that a recipe names. */
export const lossNamed = (name: string): LossSpec => functionsByName.get(name) ?? name;

/**
 * Writes down what it takes to score elsewhere as this run does.
 *
 * @throws {ModelError | OptionsError} when something of the run is a function or class that only this process has
 */
export function recipeOf(
  head: Head,
  scheme: Scheme,
  { schema, scoreBatchSize }: { readonly schema: Schema; readonly scoreBatchSize: number },
  placement: Placement,
): ScoreRecipe {
  const { engine = engineHere(), engineOptions = {} } = placement;
  const module = placement.module && resolve(placement.module);
  const losses = lossesOf(head.model, module);
  const name = schemeName(scheme, module);
  return {
    topology: topologyOf(head.model),
    weights: head.model.weights.map((weight): WeightSpec => {
      const { dtype, shape } = weight.read();
      return { name: weight.originalName, shape, dtype: dtype as WeightSpec['dtype'] }; // no layer has others
    }),
    ...(losses && { losses }),
    ...(name !== undefined && { scheme: name }),
    schema,
    scoreBatchSize,
    engine,
    engineOptions,
    ...(module !== undefined && { module }),
  };
}

/** The engine that is active here, if it has a name. */
function engineHere(): ScoreRecipe['engine'] {
  const name = activeEngine()?.name ?? tf.getBackend();
  return engineNames.find((known) => known === name) ?? 'auto';
}

function topologyOf(model: tf.LayersModel): string {
  try {
    return model.toJSON(null, true) as string; // `true` asks for a text
  } catch (cause) {
    throw new ModelError(
      `Model \`${model.name}\`: cannot be written down for the scoring process: ${firstLineOf(cause)}. ` +
        "Give its layers a `getConfig`, or score with `where: 'inline'`.",
      {},
      { cause },
    );
  }
}

/** The losses by name, in the order of the outputs; undefined if they are the module's affair. */
function lossesOf(model: tf.LayersModel, module: string | undefined): string[] | undefined {
  const { loss } = compiledParts(model);
  const names = model.outputNames.map((output, i): string | undefined => {
    const spec = typeof loss !== 'object' ? loss : Array.isArray(loss) ? loss[i] : loss[output];
    return typeof spec === 'string' ? spec : spec && namesByFunction.get(spec);
  });
  const missing = names.indexOf(undefined);
  if (missing === -1) return names as string[]; // none is undefined
  if (module !== undefined) return undefined;
  throw new ModelError(
    `Output \`${model.outputNames[missing]}\`: expected a loss by name to score in another process, got a function, which only this process has. ` +
      "Export it as `loss` from a file and name that as `score.module`, or score with `where: 'inline'`.",
    { output: model.outputNames[missing] },
  );
}

/** The scheme's name, if there is one of that name that scores the same; undefined if it is the module's affair. */
function schemeName(scheme: Scheme, module: string | undefined): string | undefined {
  const known = schemes[scheme.name];
  if (known && known.score === scheme.score && known.scorer === scheme.scorer) return scheme.name;
  if (module !== undefined) return undefined;
  throw new OptionsError(
    `fit(): \`scheme\`: expected a scheme by name to score in another process, got \`${scheme.name}\`, whose functions only this process has. ` +
      "Export it as `scheme` from a file and name that as `score.module`, or score with `where: 'inline'`.",
    { scheme: scheme.name },
  );
}
