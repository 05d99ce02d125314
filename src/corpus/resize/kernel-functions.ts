/** A function of the distance from a pixel's centre, in pixels. */
interface KernelFunction {
  /** Beyond this distance it is 0. */
  readonly reach: number;
  weightAt(this: void, distance: number): number;
}

const sinc = (x: number) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** How pixels are weighed; the functions are those of Pillow and libvips under the same names. */
export const kernelFunctions = {
  /** A triangle. */
  linear: { reach: 1, weightAt: (distance) => Math.max(0, 1 - Math.abs(distance)) },
  /** Catmull-Rom: Keys' cubic with a = -1/2. */
  cubic: {
    reach: 2,
    weightAt: (distance) => {
      const x = Math.abs(distance);
      if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
      return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
    },
  },
  /** sinc(x) sinc(x / 3). */
  lanczos3: { reach: 3, weightAt: (distance) => (Math.abs(distance) < 3 ? sinc(distance) * sinc(distance / 3) : 0) },
} satisfies Readonly<Record<string, KernelFunction>>;

export type KernelName = keyof typeof kernelFunctions;
