/** Mean and spread of one value a run. */
export interface Spread {
  readonly mean: number;
  /** Standard deviation over the runs, with n − 1; 0 for one run. */
  readonly deviation: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1)) };
}

/** What runs of equal seeds say of the difference between two schemes. */
export interface PairedDifference extends Spread {
  /** Two-sided probability of a mean difference as large by chance; undefined for fewer than two pairs, or one that is no number. */
  readonly p: number | undefined;
}

/** Student's paired t-test of a − b. Runs of one seed share weights and data order, so their differences count. */
export function pairedTest(a: readonly number[], b: readonly number[]): PairedDifference {
  const spread = spreadOf(a.map((value, i) => value - b[i]!));
  const n = a.length;
  if (n < 2 || !Number.isFinite(spread.mean)) return { ...spread, p: undefined };
  if (spread.deviation === 0) return { ...spread, p: spread.mean === 0 ? 1 : 0 };
  return { ...spread, p: studentTwoSided((spread.mean / spread.deviation) * Math.sqrt(n), n - 1) };
}

/** P(|T| > |t|) of Student's distribution with `freedom` degrees: I_x(ν/2, 1/2) at x = ν / (ν + t²). */
export const studentTwoSided = (t: number, freedom: number): number =>
  incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5);

/** Holm's step-down adjustment of p values, for as many comparisons as there are. Undefined ones stay so. */
export function holm(ps: readonly (number | undefined)[]): (number | undefined)[] {
  const known = ps.flatMap((p, index) => (p === undefined ? [] : [{ p, index }])).toSorted((a, b) => a.p - b.p);
  const adjusted: (number | undefined)[] = ps.map(() => undefined);
  let largest = 0;
  known.forEach(({ p, index }, rank) => {
    largest = Math.max(largest, Math.min(1, p * (known.length - rank)));
    adjusted[index] = largest;
  });
  return adjusted;
}

/** The regularised incomplete beta function I_x(a, b), by its continued fraction (Lentz). */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(a * Math.log(x) + b * Math.log1p(-x) - logBeta(a, b)) / a;
  const tiny = 1e-300;
  const guard = (value: number) => (Math.abs(value) < tiny ? tiny : value);
  let [c, d] = [1, 1 / guard(1 - ((a + b) * x) / (a + 1))];
  let fraction = d;
  for (let m = 1; m < 300; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / guard(1 + even * d);
    c = guard(1 + even / c);
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / guard(1 + odd * d);
    c = guard(1 + odd / c);
    fraction *= d * c;
    if (Math.abs(d * c - 1) < 1e-14) break;
  }
  return front * fraction;
}

const logBeta = (a: number, b: number) => logGamma(a) + logGamma(b) - logGamma(a + b);

/** Lanczos' approximation, g = 7, to about 15 digits. */
function logGamma(x: number): number {
  const coefficients = [
    676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905,
    -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7,
  ];
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const at = x - 1;
  const series = coefficients.reduce((sum, c, i) => sum + c / (at + i + 1), 0.9999999999998099);
  const t = at + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (at + 0.5) * Math.log(t) - t + Math.log(series);
}
