import { z } from 'zod';
import { ClusterError } from '../errors.ts';
import { rowSize, type Column, type Schema } from '../stream/columns.ts';
import { bufferSchema, shapeText } from '../stream/steps.ts';
import { pack, protocolVersion, unpack } from './protocol.ts';

const count = z.int().nonnegative();
const floats = z.custom<Float32Array>((value) => value instanceof Float32Array, { error: 'must be float32' });
const rows = z.custom<Int32Array>((value) => value instanceof Int32Array, { error: 'must be int32' });
/** One check for all: zod's own would make a context for each id, at every minibatch. */
const texts = z.custom<string[]>((value) => Array.isArray(value) && value.every((id) => typeof id === 'string'), {
  error: 'must be a list of texts',
});
const Data = z.union([
  floats,
  rows,
  z.custom<Uint8Array>((value) => value instanceof Uint8Array, { error: 'must be uint8' }),
]);

/**
 * A part of a job: what was drawn from one presample. Of its columns only the rows go over the network that a draw has
 * picked, each once.
 */
export const Part = z.object({
  protocol: z.literal(protocolVersion),
  /** Samples that the presample had. */
  rows: count,
  /** Steps that the parameters behind the scores had taken. */
  version: count,
  ids: texts,
  columns: z.record(
    z.string(),
    z.object({ type: z.enum(['float32', 'int32', 'uint8']), shape: z.array(count), data: Data }),
  ),
  /** The presample's scores, [rows]: the trainer's gate works on them. */
  scores: floats.optional(),
  draws: z.array(
    z.object({
      /** Rows of `ids`, [b]. */
      picks: rows,
      weights: floats,
      /** What each pick was drawn by, [b]. */
      probabilities: floats.optional(),
      drawTau: z.number().optional(),
    }),
  ),
  /** What the samples weigh for the buffer that they came in. */
  weight: z.number(),
  batchSize: count.optional(),
  /** Ids left out of the draw, for scores that are no numbers. */
  skipped: z.array(z.string()),
  /** Milliseconds that scoring took. */
  scoreMs: z.number(),
});
export type Part = z.output<typeof Part>;

export const packPart = (part: Part): Uint8Array => pack(part);

/**
 * Reads a part, and checks it against the corpus' schema.
 * @throws {ClusterError} when it is no part, or one of another schema
 */
export function unpackPart(bytes: Uint8Array, schema: Schema): Part {
  const part = unpack('Part of a job', Part, bytes);
  const { length } = part.ids;
  for (const [name, spec] of Object.entries(bufferSchema(schema))) {
    const column = part.columns[name];
    const fits = column?.type === spec.type && column.shape.length === spec.shape.length + 1 && isWhole(column, length);
    const same = fits && spec.shape.every((axis, i) => axis === null || axis === column.shape[i + 1]);
    if (!same)
      throw refused(
        `column \`${name}\` as ${spec.type} [${length}, ${shapeText(spec)}]`,
        column ? describe(column) : 'none',
      );
  }
  for (const { picks, weights } of part.draws) {
    if (picks.length !== weights.length) throw refused(`${picks.length} weights`, `${weights.length}`);
    if (picks.some((row) => row < 0 || row >= length)) throw refused(`picks below ${length}`, 'others');
    if (weights.some((weight) => !(weight >= 0 && weight < Infinity))) throw refused('weights of at least 0', 'others');
  }
  if (part.scores && part.scores.length !== part.rows) throw refused(`${part.rows} scores`, `${part.scores.length}`);
  return part;
}

const isWhole = ({ type, shape, data }: Column, length: number): boolean =>
  shape[0] === length &&
  data.length === length * rowSize({ type, shape: shape.slice(1) }) &&
  (type === 'float32' ? data instanceof Float32Array : type === 'int32' ? data instanceof Int32Array : true);

const describe = ({ type, shape }: Column) => `${type} [${shape.join(', ')}]`;

const refused = (expected: string, got: string) =>
  new ClusterError(
    `Part of a job: expected ${expected}, got ${got}. Run the same pipeline and version of taustream everywhere.`,
    { expected, got },
  );
