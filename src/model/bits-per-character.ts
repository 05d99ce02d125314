/**
 * Adds the bits that a character model needs for each character: its loss (the mean of -ln of the probability that it
 * gave to the one that came), in bits. For `deriveMeasures` of a pipeline or of `fit`.
 * @example
 * withBitsPerCharacter({ loss: Math.LN2 }); // { loss: 0.693, bitsPerCharacter: 1 }
 */
export const withBitsPerCharacter = (measures: Readonly<Record<string, number>>): Readonly<Record<string, number>> => ({
  ...measures,
  bitsPerCharacter: measures['loss']! / Math.LN2,
});
