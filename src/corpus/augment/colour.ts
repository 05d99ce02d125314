import type { Picture } from './picture.ts';

/**
 * Colours are blended as in torchvision and Pillow: `factor · picture + (1 - factor) · other`, cut to 0…255, fractions
 * dropped (but for what rounding takes from a whole number: a plain area stays as it is). A factor of 1 changes nothing. The grey of a pixel is 0.2989 R + 0.587 G + 0.114 B, fractions dropped.
 */
const cut = (value: number): number => (value <= 0 ? 0 : value >= 255 ? 255 : Math.floor(value + 1e-4));

/** A new value for each value, alike for all channels or one table after another. @returns owned by the caller */
export function looked(picture: Picture, table: Uint8Array): Picture {
  const { data, channels } = picture;
  const result = new Uint8Array(data.length);
  if (table.length === 256) for (let i = 0; i < data.length; i++) result[i] = table[data[i]!]!;
  else
    for (let i = 0; i < data.length; i += channels)
      for (let c = 0; c < channels; c++) result[i + c] = table[c * 256 + data[i + c]!]!;
  return { ...picture, data: result };
}

export const tableOf = (value: (old: number) => number): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, old) => value(old));

/** Blends with black. @param factor 0 is black, 2 twice as bright */
export const brightened = (picture: Picture, factor: number): Picture =>
  looked(
    picture,
    tableOf((old) => cut(factor * old)),
  );

/** Blends with the mean grey. @param factor 0 is that grey everywhere, 2 twice the contrast */
export function contrasted(picture: Picture, factor: number): Picture {
  const { data, channels } = picture;
  const pixels = data.length / channels;
  let sum = 0;
  for (let i = 0; i < data.length; i += channels) sum += greyAt(data, i, channels);
  const mean = sum / pixels;
  return looked(
    picture,
    tableOf((old) => cut(factor * old + (1 - factor) * mean)),
  );
}

/** Blends each pixel with its grey; a grey picture stays as it is. @param factor 0 takes the colours away */
export function saturated(picture: Picture, factor: number): Picture {
  const { data, channels } = picture;
  if (channels === 1) return picture;
  const result = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i += 3) {
    const grey = (1 - factor) * greyAt(data, i, 3);
    result[i] = cut(factor * data[i]! + grey);
    result[i + 1] = cut(factor * data[i + 1]! + grey);
    result[i + 2] = cut(factor * data[i + 2]! + grey);
  }
  return { ...picture, data: result };
}

const greyAt = (data: Uint8Array, i: number, channels: number): number =>
  channels === 1 ? data[i]! : Math.floor(0.2989 * data[i]! + 0.587 * data[i + 1]! + 0.114 * data[i + 2]!);

/** Blends with a smoothed picture (3 × 3, the centre five times); the border stays. @param factor 2 is sharper */
export function sharpened(picture: Picture, factor: number): Picture {
  const { data, height, width, channels } = picture;
  const result = Uint8Array.from(data);
  const row = width * channels;
  for (let y = 1; y < height - 1; y++)
    for (let i = y * row + channels; i < (y + 1) * row - channels; i++) {
      const above = data[i - row - channels]! + data[i - row]! + data[i - row + channels]!;
      const beside = data[i - channels]! + 5 * data[i]! + data[i + channels]!;
      const below = data[i + row - channels]! + data[i + row]! + data[i + row + channels]!;
      result[i] = cut(factor * data[i]! + (1 - factor) * Math.round((above + beside + below) / 13));
    }
  return { ...picture, data: result };
}

/** Keeps the upper bits of each value. */
export const posterized = (picture: Picture, bits: number): Picture =>
  looked(
    picture,
    tableOf((old) => old & (256 - 2 ** (8 - bits))),
  );

/** Turns values from `threshold` on into their negatives. */
export const solarized = (picture: Picture, threshold: number): Picture =>
  looked(
    picture,
    tableOf((old) => (old >= threshold ? 255 - old : old)),
  );

/** Stretches each channel from its darkest to its brightest value to 0…255. */
export const autoContrasted = (picture: Picture): Picture =>
  looked(
    picture,
    tables(picture, (counts) => {
      const darkest = counts.findIndex((count) => count > 0);
      const brightest = counts.findLastIndex((count) => count > 0);
      if (brightest <= darkest) return tableOf((old) => old);
      return tableOf((old) => cut((old - darkest) * (255 / (brightest - darkest))));
    }),
  );

/** Spreads the values of each channel so that all are about equally frequent. */
export const equalized = (picture: Picture): Picture =>
  looked(
    picture,
    tables(picture, (counts) => {
      const used = counts.filter((count) => count > 0);
      const step = Math.floor((used.reduce((sum, count) => sum + count, 0) - used.at(-1)!) / 255);
      if (used.length <= 1 || step === 0) return tableOf((old) => old);
      let before = Math.floor(step / 2);
      return Uint8Array.from(counts, (count) => {
        const value = Math.min(255, Math.floor(before / step));
        before += count;
        return value;
      });
    }),
  );

/** A table for each channel, from how often each value occurs in it. */
function tables({ data, channels }: Picture, of: (counts: Uint32Array) => Uint8Array): Uint8Array {
  const counts = Array.from({ length: channels }, () => new Uint32Array(256));
  for (let i = 0; i < data.length; i += channels) for (let c = 0; c < channels; c++) counts[c]![data[i + c]!]! += 1;
  return Uint8Array.from(counts.flatMap((own) => [...of(own)]));
}
