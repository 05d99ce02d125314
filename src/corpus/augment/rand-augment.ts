import { shuffle, type Rng } from '../../stream/random.ts';
import {
  autoContrasted,
  brightened,
  contrasted,
  equalized,
  posterized,
  saturated,
  sharpened,
  solarized,
} from './colour.ts';
import { moved, warped, type Affine, type Picture } from './picture.ts';

/** Magnitudes run from 0 to this, as in torchvision. */
export const MOST_MAGNITUDE = 30;

/** An operation: `level` is the magnitude in [0, 1], `sign` is 1 or -1, `fill` shows where nothing was. */
type Operation = (picture: Picture, level: number, sign: number, fill: number) => Picture;

/** The operations, with the strengths that they have in torchvision's `RandAugment` (0.x to 2.x). */
export const operations = {
  identity: (picture) => picture,
  shearX: (picture, level, sign, fill) => warped(picture, [1, 0.3 * level * sign, 0, 0, 1, 0], fill),
  shearY: (picture, level, sign, fill) => warped(picture, [1, 0, 0, 0.3 * level * sign, 1, 0], fill),
  translateX: (picture, level, sign, fill) =>
    moved(picture, 0, sign * Math.trunc((150 / 331) * picture.width * level), fill),
  translateY: (picture, level, sign, fill) =>
    moved(picture, sign * Math.trunc((150 / 331) * picture.height * level), 0, fill),
  rotate: (picture, level, sign, fill) => warped(picture, rotation(picture, 30 * level * sign), fill),
  brightness: (picture, level, sign) => brightened(picture, 1 + 0.9 * level * sign),
  colour: (picture, level, sign) => saturated(picture, 1 + 0.9 * level * sign),
  contrast: (picture, level, sign) => contrasted(picture, 1 + 0.9 * level * sign),
  sharpness: (picture, level, sign) => sharpened(picture, 1 + 0.9 * level * sign),
  posterize: (picture, level) => posterized(picture, 8 - Math.round(4 * level)),
  solarize: (picture, level) => solarized(picture, 255 * (1 - level)),
  autoContrast: autoContrasted,
  equalize: equalized,
} as const satisfies Readonly<Record<string, Operation>>;

const all: readonly Operation[] = Object.values(operations);

/** Turns a picture about its centre, counter-clockwise. */
function rotation({ height, width }: Picture, degrees: number): Affine {
  const angle = (degrees * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const [x, y] = [width / 2, height / 2];
  return [cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y];
}

/**
 * RandAugment (Cubuk, Zoph, Shlens & Le 2020, arXiv:1909.13719): a few operations, drawn uniformly with replacement, all
 * of one magnitude, their direction drawn.
 *
 * @param magnitude in [0, 30]
 */
export function randAugmented(
  picture: Picture,
  { count, magnitude, fill }: { readonly count: number; readonly magnitude: number; readonly fill: number },
  rng: Rng,
): Picture {
  let result = picture;
  for (let i = 0; i < count; i++) {
    const operation = all[rng.integer(all.length)]!;
    result = operation(result, magnitude / MOST_MAGNITUDE, rng.uniform() < 0.5 ? 1 : -1, fill);
  }
  return result;
}

/** How much colours may change: a factor is drawn from [1 - amount, 1 + amount], at least 0. */
export interface Jitter {
  readonly brightness: number;
  readonly contrast: number;
  readonly saturation: number;
}

/** Changes brightness, contrast and saturation by drawn factors, in a drawn order. */
export function jittered(picture: Picture, { brightness, contrast, saturation }: Jitter, rng: Rng): Picture {
  const changes = shuffle(
    [
      { amount: brightness, change: brightened },
      { amount: contrast, change: contrasted },
      { amount: saturation, change: saturated },
    ].filter(({ amount }) => amount > 0),
    rng,
  );
  let result = picture;
  for (const { amount, change } of changes) {
    const lowest = Math.max(0, 1 - amount);
    result = change(result, lowest + rng.uniform() * (1 + amount - lowest));
  }
  return result;
}
