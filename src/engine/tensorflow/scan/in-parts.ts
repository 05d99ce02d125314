/* oxlint-disable typescript/no-unsafe-type-assertion -- callEach takes and gives lists; their order stands beside each assertion */
import * as tf from '@tensorflow/tfjs';
import type { Recurrence, RecurrenceInputs } from '../../layers/recurrent-sequence.ts';
import type { TensorflowBackend } from '../backend.ts';
import { callEach } from './call-each.ts';
import { fitsCaches } from './steps.ts';

/** Fewest sequences of a part: with fewer, a step of a part takes hardly less time than one of all. Measured on two cores. */
const FEWEST_ROWS = 8;

/**
 * A recurrence that runs up to `most` parts of a batch side by side: steps wait for each other, sequences do not. So a
 * processor goes through all steps by itself, instead of meeting the others at every small product. It has to run within
 * a compiled step.
 */
export function inParts(backend: TensorflowBackend, recurrence: Recurrence, most: number): Recurrence {
  return {
    forward(inputs, hasGradient) {
      const sizes = partSizes(inputs, most);
      if (sizes.length === 1) return recurrence.forward(inputs, hasGradient);
      let withCell = false;
      const parts = callEach(backend, split(ofRows(inputs), sizes), (own) => {
        const { outputs, lastCell, saved } = recurrence.forward(withRows(inputs, own), hasGradient);
        withCell = lastCell !== undefined;
        return [outputs, ...(lastCell ? [lastCell] : []), ...saved];
      });
      const joined = (index: number) =>
        tf.concat(
          parts.map((part) => part[index]!),
          0,
        );
      return {
        outputs: joined(0) as tf.Tensor3D,
        ...(withCell ? { lastCell: joined(1) as tf.Tensor2D } : {}),
        saved: parts.flatMap((part) => part.slice(withCell ? 2 : 1)),
      };
    },

    backward(inputs, saved, dOutputs, dLastCell) {
      const sizes = partSizes(inputs, most);
      if (sizes.length === 1) return recurrence.backward(inputs, saved, dOutputs, dLastCell);
      const rows = ofRows(inputs);
      const each = saved.length / sizes.length;
      const given = split([...rows, dOutputs, ...(dLastCell ? [dLastCell] : [])], sizes);
      const parts = callEach(
        backend,
        given.map((own, i) => [...own, ...saved.slice(i * each, (i + 1) * each)]),
        (own) => {
          const [dOwn, ...rest] = own.slice(rows.length) as [tf.Tensor3D, ...tf.Tensor2D[]];
          const dCell = dLastCell && rest.shift();
          return recurrence.backward(withRows(inputs, own), rest, dOwn, dCell);
        },
      );
      return parts[0]!.map((_, i) => {
        const own = parts.map((part) => part[i]!);
        const isOfWeights = 1 <= i && i <= 3; // of which each part gives its share of a sum; of x and the states its rows
        return isOfWeights ? tf.addN(own) : tf.concat(own, 0);
      });
    },
  };
}

/** Numbers of sequences, as equal as can be. */
function partSizes({ x, recurrentKernel }: RecurrenceInputs, most: number): number[] {
  const [batch] = x.shape;
  // Each part goes through all recurrent weights at every step.
  const parts = fitsCaches(recurrentKernel.size) ? Math.max(1, Math.min(most, Math.floor(batch / FEWEST_ROWS))) : 1;
  return Array.from({ length: parts }, (_, i) => Math.floor((batch + i) / parts));
}

/** The inputs that have a row for each sequence. */
const ofRows = ({ x, states, mask }: RecurrenceInputs): tf.Tensor[] => [x, ...states, ...(mask ? [mask] : [])];

/** The inputs with those of `ofRows` replaced by what a list begins with. */
function withRows(inputs: RecurrenceInputs, [x, ...rest]: readonly tf.Tensor[]): RecurrenceInputs {
  const count = inputs.states.length;
  return {
    ...inputs,
    x: x as tf.Tensor3D,
    states: rest.slice(0, count) as tf.Tensor2D[],
    mask: inputs.mask && (rest[count] as tf.Tensor2D),
  };
}

/** Each part's rows of all tensors. */
function split(tensors: readonly tf.Tensor[], sizes: number[]): tf.Tensor[][] {
  const all = tensors.map((tensor) => tf.split(tensor, sizes, 0));
  return sizes.map((_, part) => all.map((pieces) => pieces[part]!));
}
