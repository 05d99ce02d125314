import { pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { fuse } from '../../engine/layers/fuse.ts';
import type { Engine } from '../../engine/engine.ts';
import { useEngine } from '../../engine/use-engine.ts';
import { ModelError, OptionsError, PlacementError, firstLineOf } from '../../errors.ts';
import type { LossSpec } from '../../model/compiled.ts';
import { openHead } from '../../model/head.ts';
import { allocate, type Column } from '../../stream/columns.ts';
import { Presample } from '../../stream/presample.ts';
import type { Scorer } from '../model-scorer.ts';
import type { Scheme } from '../scheme.ts';
import { schemeOf } from '../schemes.ts';
import { scorerOf } from '../scorer-of.ts';
import type { JobColumn, ScoreRecipe, WeightSpec } from './jobs.ts';
import { lossNamed } from './score-recipe.ts';

/** What a module may bring for scoring. */
interface ScoreModule {
  readonly loss?: LossSpec | LossSpec[];
  readonly scheme?: Scheme;
}

/** Scores as a run elsewhere would, from plain values and bytes alone. */
export class JobScorer {
  /** What it computes on. */
  readonly engine: Engine;
  readonly #model: tf.LayersModel;
  readonly #scorer: Scorer;
  readonly #weights: readonly WeightSpec[];

  private constructor(engine: Engine, model: tf.LayersModel, scorer: Scorer, weights: readonly WeightSpec[]) {
    this.engine = engine;
    this.#model = model;
    this.#scorer = scorer;
    this.#weights = weights;
  }

  /**
   * Builds the scoring half of a run.
   * @throws {EngineError | ModelError | OptionsError | PlacementError} when that cannot be done here
   */
  static async open(recipe: ScoreRecipe): Promise<JobScorer> {
    const module = recipe.module === undefined ? {} : await importModule(recipe.module);
    const engine = await useEngine(recipe.engine, recipe.engineOptions);
    const model = await modelOf(recipe);
    model.compile({ optimizer: 'sgd', loss: (recipe.losses?.map(lossNamed) ?? module.loss) as string }); // or functions
    expectSameWeights(model, recipe.weights);
    fuse(model);
    const scheme = recipe.scheme === undefined ? module.scheme : schemeOf(recipe.scheme);
    const scorer = scheme && scorerOf(scheme, openHead(model), recipe);
    if (!scorer)
      throw new OptionsError(
        `\`score.module\`: expected ${recipe.module ?? 'a module'} to export a \`scheme\` that scores, got ${scheme ? `\`${scheme.name}\`` : 'none'}. Export the run's own.`,
      );
    return new JobScorer(engine, model, scorer, recipe.weights);
  }

  /** Puts parameters in place: the bytes of all weights, one after the other. */
  setParameters(bytes: Uint8Array): void {
    const byName = new Map(this.#model.weights.map((weight) => [weight.originalName, weight]));
    let at = bytes.byteOffset;
    tf.tidy(() => {
      for (const { name, shape, dtype } of this.#weights) {
        const size = shape.reduce((product, axis) => product * axis, 1);
        const Numbers = { float32: Float32Array, int32: Int32Array, bool: Uint8Array }[dtype];
        const end = at + size * Numbers.BYTES_PER_ELEMENT;
        const values = new Numbers(bytes.buffer.slice(at, end) as ArrayBuffer);
        byName.get(name)!.write(tf.tensor(values, [...shape], dtype)); // checked when it was opened
        at = end;
      }
    });
  }

  /** @returns the scores, [rows] */
  async score(rows: number, columns: readonly JobColumn[], bytes: Uint8Array): Promise<Float32Array> {
    const names = Array.from({ length: rows }, (_, row) => `row ${row}`);
    const presample = new Presample(names, unpack(columns, bytes), 'importance');
    try {
      return await this.#scorer.score(presample);
    } finally {
      presample.release();
    }
  }
}

function unpack(columns: readonly JobColumn[], bytes: Uint8Array): Record<string, Column> {
  let at = 0;
  const take = ({ type, shape }: JobColumn): Column => {
    const data = allocate({ type, shape: shape.slice(1) }, shape[0]!);
    new Uint8Array(data.buffer).set(bytes.subarray(at, at + data.byteLength));
    at += data.byteLength;
    return { type, shape, data };
  };
  return Object.fromEntries(columns.map((column) => [column.name, take(column)]));
}

async function importModule(path: string): Promise<ScoreModule> {
  try {
    return (await import(pathToFileURL(path).href)) as ScoreModule; // what it lacks is found missing where it is used
  } catch (cause) {
    throw new PlacementError(
      `\`score.module\`: ${path} cannot be loaded: ${firstLineOf(cause)}. Correct the file or its path.`,
      { module: path },
      { cause },
    );
  }
}

async function modelOf({ topology }: ScoreRecipe): Promise<tf.LayersModel> {
  try {
    const modelTopology = JSON.parse(topology) as unknown;
    return await tf.models.modelFromJSON({ modelTopology } as Parameters<typeof tf.models.modelFromJSON>[0]);
  } catch (cause) {
    throw new ModelError(
      `The model cannot be built from its layers here: ${firstLineOf(cause)}. ` +
        "Register custom layers in a file that is named as `score.module`, or score with `where: 'inline'`.",
      {},
      { cause },
    );
  }
}

type Named = readonly { readonly name: string; readonly shape: readonly (number | null)[] }[];

const describeWeights = (weights: Named) =>
  weights
    .map(({ name, shape }) => `${name} [${shape.join(', ')}]`)
    .toSorted()
    .join('; ');

function expectSameWeights(model: tf.LayersModel, specs: readonly WeightSpec[]): void {
  const built = describeWeights(model.weights.map(({ originalName: name, shape }) => ({ name, shape })));
  const wanted = describeWeights(specs);
  if (built === wanted) return;
  throw new ModelError(
    `The model built from its layers here has other weights: expected ${wanted}, got ${built}. Give its layers names that differ, or score with \`where: 'inline'\`.`,
  );
}
