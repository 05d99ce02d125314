import * as tf from '@tensorflow/tfjs';

/**
 * The gradient of `tf.einsum`, which TensorFlow.js lacks: layers that contract by einsum (attention among them) can be
 * trained with it, on any engine. For `a,b->c`, da is `c,b->a` of dy and b; axes that were summed out of one tensor alone
 * are spread again.
 */
export function registerEinsumGradient(): void {
  if (tf.getGradient('Einsum')) return;
  tf.registerGradient({
    kernelName: 'Einsum',
    saveAllInputs: true,
    gradFunc: (dy, saved, attrs) => {
      if (Array.isArray(dy)) throw new TypeError('Einsum: expected one gradient');
      const equation = typeof attrs['equation'] === 'string' ? attrs['equation'].replaceAll(/\s/g, '') : '';
      const [terms = '', out = ''] = equation.split('->');
      const labels = terms.split(',');
      const gradient = (i: number) => gradientOf(i, { dy, saved, labels, out });
      return Object.fromEntries(saved.map((_, i) => [String(i), () => gradient(i)]));
    },
  });
}

interface Contraction {
  readonly dy: tf.Tensor;
  readonly saved: readonly tf.Tensor[];
  readonly labels: readonly string[];
  readonly out: string;
}

function gradientOf(i: number, { dy, saved, labels, out }: Contraction): tf.Tensor {
  const own = labels[i] ?? '';
  const other = sumLoneAxes(saved[1 - i], labels[1 - i] ?? '', own + out);
  const reached = keep(own, out + other.labels);
  const gradient =
    other.tensor && other.labels !== ''
      ? tf.einsum(`${out},${other.labels}->${reached}`, dy, other.tensor)
      : tf.einsum(`${out}->${reached}`, other.tensor ? dy.mul(other.tensor) : dy);
  if (reached === own) return gradient;
  const { shape } = saved[i]!;
  const spread = Array.from(own, (label, axis) => (reached.includes(label) ? shape[axis]! : 1));
  return tf.broadcastTo(gradient.reshape(spread), shape);
}

const keep = (labels: string, kept: string) =>
  Array.from(labels)
    .filter((label) => kept.includes(label))
    .join('');

/** Sums over the axes of one tensor that meet nothing: the plain kernel gets equations with such axes wrong. */
function sumLoneAxes(tensor: tf.Tensor | undefined, labels: string, met: string) {
  const lone = Array.from(labels, (label, axis) => (met.includes(label) ? -1 : axis)).filter((axis) => axis >= 0);
  return { labels: keep(labels, met), tensor: lone.length > 0 ? tensor?.sum(lone) : tensor };
}
