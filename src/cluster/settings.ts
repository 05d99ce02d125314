import { OptionsError } from '../errors.ts';
import { schemes } from '../importance/schemes.ts';
import { schemeOf } from '../importance/schemes.ts';
import type { Scheme } from '../importance/scheme.ts';
import { parseOptions } from '../options.ts';
import type { SourceContext } from '../train/batch-source.ts';
import { FitValues, type FitSettings } from '../train/fit-options.ts';
import type { Settings } from './protocol.ts';

/** The options that scoring and drawing depend on. */
const shared = [
  'presampleSize',
  'batchSize',
  'scoreBatchSize',
  'draws',
  'additive',
  'adaptive',
  'power',
  'uniformFloor',
  'onBadScore',
  'lengths',
] as const;

/** What a trainer tells its workers to do. */
export function settingsOf({ values, scheme }: Pick<SourceContext, 'values' | 'scheme'>): Settings {
  const given = shared.flatMap((name) => (values[name] === undefined ? [] : [[name, values[name]] as const]));
  const { seed, epochs } = values;
  return { seed, ...(epochs !== undefined && { epochs }), scheme: scheme.name, options: Object.fromEntries(given) };
}

/** The trainer's options as a worker has them. @throws {OptionsError} when they are of another version */
export const valuesOf = ({ seed, options }: Settings): FitSettings =>
  parseOptions("Worker: the trainer's options", FitValues, { ...options, seed, steps: 1 });

/** The trainer's scheme: the pipeline's own if it has that name. @throws {OptionsError} when nobody here knows it */
export function schemeFor({ scheme: name }: Settings, own: string | Scheme | undefined): Scheme {
  if (typeof own === 'object' && own.name === name) return own;
  if (schemes[name]) return schemeOf(name);
  throw new OptionsError(
    `Worker: expected the trainer's scheme \`${name}\` in the pipeline, got another. Run the same pipeline everywhere.`,
    { scheme: name },
  );
}
