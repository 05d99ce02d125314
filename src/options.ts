import { z } from 'zod';
import { OptionsError } from './errors.ts';

/** A base of random numbers: what 32 bits hold. */
export const Seed = z
  .int()
  .min(0)
  .max(2 ** 32 - 1);

/**
 * Parses an options object once, at the public edge. Unknown keys fail, because a misspelt option must not be ignored.
 *
 * @throws {OptionsError} naming every option that is unknown or out of range
 */
export function parseOptions<Schema extends z.ZodType>(
  where: string,
  schema: Schema,
  input: unknown,
): Readonly<z.output<Schema>> {
  const result = schema.safeParse(input);
  if (result.success) return Object.freeze(result.data);
  const issues = result.error.issues.map((issue) => {
    const path = issue.path.join('.');
    return path ? `\`${path}\` ${lowerFirst(issue.message)}` : lowerFirst(issue.message);
  });
  throw new OptionsError(`${where}: ${issues.join('; ')}.`, { issues: result.error.issues });
}

const lowerFirst = (text: string) => text.charAt(0).toLowerCase() + text.slice(1);
