import { z } from 'zod';
import { OptionsError } from '../../errors.ts';
import { schemeOf } from '../../importance/schemes.ts';
import type { Scheme } from '../../importance/scheme.ts';
import { clockNames } from '../../stream/clock.ts';
import { modes } from '../../train/modes.ts';

const count = z.int().positive();

export const CompareOptions = z
  .strictObject({
    /** Seconds of training that each run has. */
    seconds: z.number().positive().optional(),
    /** What the seconds are measured by; `processor` where other programs share the machine. @default 'wall' */
    clock: z.enum(clockNames).default('wall'),
    /** Steps that each run has, in place of seconds: what a scheme is worth when scoring costs nothing. */
    steps: count.optional(),
    /** Runs of each scheme, with as many seeds. @default 3 */
    seeds: count.max(1000).default(3),
    /** The first seed; the others follow it. @default 0 */
    firstSeed: z
      .int()
      .min(0)
      .max(2 ** 31)
      .default(0),
    /** Validations along each run, for the curves; their time is not counted. @default 8 */
    validations: z.int().nonnegative().default(8),
    /** Training samples on which the final loss is measured, the same for all. @default 2048 */
    trainSamples: count.default(2048),
  })
  .refine((o) => (o.seconds === undefined) !== (o.steps === undefined), {
    path: ['seconds'],
    error: 'or `steps` must be given, and not both: every run has the same budget',
  });

/** One of the things compared. */
export interface Entry {
  readonly name: string;
  readonly scheme: string | Scheme | undefined;
  readonly mode: keyof typeof modes;
}

/**
 * Reads what is to be compared: a scheme's name, with `:fast` behind it for that mode; or a mode's name alone, for the
 * pipeline's own scheme in it.
 *
 * @throws {OptionsError} when there is no such scheme or mode, an entry comes twice, or there is none
 */
export function entriesOf(names: readonly string[], own: string | Scheme | undefined): Entry[] {
  const again = names.find((name, i) => names.indexOf(name) !== i);
  if (names.length === 0 || again !== undefined)
    throw new OptionsError(
      `compare(): expected \`schemes\` that differ, got ${again === undefined ? 'none' : `\`${again}\` twice`}. Name each once.`,
      { schemes: names },
    );
  return names.map((name) => {
    if (isMode(name)) return { name, scheme: own, mode: name };
    const [scheme = '', mode = 'paper'] = name.split(':');
    schemeOf(scheme);
    if (isMode(mode)) return { name, scheme, mode };
    throw new OptionsError(
      `compare(): expected one of the modes ${Object.keys(modes).join(', ')} behind the colon of \`${name}\`, got \`${mode}\`. Choose one of these.`,
      { name },
    );
  });
}

const isMode = (name: string): name is keyof typeof modes => Object.keys(modes).includes(name);
