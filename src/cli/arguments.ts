import { InvalidArgumentError } from 'commander';

/** A reader of whole numbers above `low`. @throws {InvalidArgumentError} when it is something else */
export function wholeAbove(low: number) {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(value) && value > low) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${low + 1} on.`);
  };
}

/** Reads a number above 0. @throws {InvalidArgumentError} when it is something else */
export function positive(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError('Expected a number above 0.');
}

/** Reads a port, 0 for any free one. @throws {InvalidArgumentError} when it is something else */
export function port(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isInteger(value) && value >= 0 && value < 65_536) return value;
  throw new InvalidArgumentError('Expected a port, 0 to 65535.');
}
