import type { Picture } from '../../../src/corpus/augment/picture.ts';

/** sin(πx) / (πx) */
const sinc = (x: number) => (Math.abs(x) < 1e-12 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** Written from the kernels' definitions: Keys 1981 with a = -1/2 in its own form, Lanczos with three lobes. */
export const definitions: Readonly<Record<'linear' | 'cubic' | 'lanczos3', (x: number) => number>> = {
  linear: (x) => (Math.abs(x) < 1 ? 1 - Math.abs(x) : 0),
  cubic: (x) => {
    const [a, s] = [-0.5, Math.abs(x)];
    if (s < 1) return (a + 2) * s ** 3 - (a + 3) * s ** 2 + 1;
    return s < 2 ? a * s ** 3 - 5 * a * s ** 2 + 8 * a * s - 4 * a : 0;
  },
  lanczos3: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0),
};

/**
 * A box of a picture as [height, width, channels] numbers: each the weighted mean of all pixels, rows before columns. Nothing is
 * rounded, but after each of the two what is below 0 or above 255 is cut off: pixels are bytes there.
 */
export function resizedExactly(
  { data, height, width, channels }: Picture,
  box: { readonly top: number; readonly left: number; readonly height: number; readonly width: number },
  size: { readonly height: number; readonly width: number },
  kernel: keyof typeof definitions,
): Float64Array {
  const weightsOf = (pixels: number, start: number, length: number, places: number) => {
    const scale = length / places;
    return Array.from({ length: places }, (_, i) => {
      const centre = start + (i + 0.5) * scale;
      const all = Array.from({ length: pixels }, (__, j) =>
        definitions[kernel]((j + 0.5 - centre) / Math.max(1, scale)),
      );
      const sum = all.reduce((a, b) => a + b, 0);
      return all.map((weight) => weight / sum);
    });
  };
  const rows = weightsOf(height, box.top, box.height, size.height);
  const columns = weightsOf(width, box.left, box.width, size.width);
  const result = new Float64Array(size.height * size.width * channels);
  for (let y = 0; y < size.height; y++) {
    const row = new Float64Array(width * channels);
    for (let from = 0; from < height; from++)
      for (let i = 0; i < row.length; i++) row[i]! += rows[y]![from]! * data[from * row.length + i]!;
    for (let i = 0; i < row.length; i++) row[i] = cut(row[i]!);
    for (let x = 0; x < size.width; x++)
      for (let from = 0; from < width; from++)
        for (let c = 0; c < channels; c++)
          result[(y * size.width + x) * channels + c]! += columns[x]![from]! * row[from * channels + c]!;
  }
  return result.map(cut);
}

const cut = (value: number) => Math.min(255, Math.max(0, value));
