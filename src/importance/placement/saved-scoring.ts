import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { RunError } from '../../errors.ts';
import type { ScorePlace } from './place.ts';
import type { Tickets } from './tickets.ts';

const version = z.int().nonpositive();

/** What a checkpoint holds of scoring ahead, beside the parameters that are still to be scored with. */
export const SavedScoring = z.object({
  waiting: z.array(z.object({ isOpen: z.boolean(), tau: z.number(), version })).readonly(),
  sent: version.optional(),
});
export type SavedScoring = Readonly<z.output<typeof SavedScoring>>;

/** Begins the names of a checkpoint's tensors of parameters to be scored with. */
const prefix = 'scored/';
const nameOf = (age: number, index: number) => `${prefix}${-age}/${index}`;

/** Whether a tensor of a checkpoint is one of these. */
export const isSavedScoring = (name: string): boolean => name.startsWith(prefix);

/** Versions that presamples will still be scored with. */
const versionsOf = ({ waiting, sent }: SavedScoring): number[] => [
  ...new Set([
    ...waiting.flatMap((ticket) => (ticket.isOpen ? [ticket.version] : [])),
    ...(sent === undefined ? [] : [sent]),
  ]),
];

/** The parameters that presamples will still be scored with, by name. @returns borrowed */
export function scoringTensors(place: ScorePlace, saved: SavedScoring, steps: number): Record<string, tf.Tensor> {
  const named = versionsOf(saved).flatMap((age) =>
    place.parametersOf(age + steps).map((tensor, index) => [nameOf(age, index), tensor] as const),
  );
  return Object.fromEntries(named);
}

/** A tensor of a checkpoint. */
interface Saved {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | Uint8Array;
}

/**
 * Goes on with scoring ahead where another run stopped: presamples that it had in the works are scored again, with the
 * parameters that it scored them with.
 *
 * @throws {RunError} when a tensor is missing
 */
export function restoreScoring(
  place: ScorePlace,
  tickets: Tickets,
  saved: SavedScoring,
  tensors: Readonly<Record<string, Saved>>,
  weights: number,
): void {
  for (const age of versionsOf(saved)) {
    const users = saved.waiting.filter((ticket) => ticket.isOpen && ticket.version === age).length;
    const parameters = () =>
      Array.from({ length: weights }, (_, index) => {
        const found = tensors[nameOf(age, index)];
        if (found) return tf.keep(tf.tensor(found.data, [...found.shape]));
        throw new RunError(
          `fit(): \`resume\`: expected \`${nameOf(age, index)}\`, got none. The checkpoint is damaged, or another model's.`,
        );
      });
    place.retain(age, parameters());
    for (let i = 1; i < users; i++) place.retain(age);
    if (users === 0) place.release(age);
  }
  tickets.restore(saved);
}
