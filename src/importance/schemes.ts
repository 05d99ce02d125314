import { OptionsError } from '../errors.ts';
import { loss } from './loss.ts';
import type { Scheme } from './scheme.ts';
import { uniform } from './uniform.ts';
import { upperBound } from './upper-bound.ts';

/** Every scheme that can be chosen by name. */
export const schemes: Readonly<Record<string, Scheme>> = Object.fromEntries(
  [uniform, loss, upperBound].map((scheme) => [scheme.name, scheme]),
);

/** @throws {OptionsError} when there is no scheme of that name */
export function schemeOf(choice: string | Scheme): Scheme {
  if (typeof choice !== 'string') return choice;
  const scheme = schemes[choice];
  if (scheme) return scheme;
  const names = Object.keys(schemes).join(', ');
  throw new OptionsError(`Scheme: expected one of ${names}, got \`${choice}\`. Choose one of these.`, {
    choice,
  });
}
