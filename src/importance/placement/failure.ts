import {
  EngineError,
  isTaustreamError,
  LabelError,
  ModelError,
  OptionsError,
  PlacementError,
  ScoreError,
  ShapeError,
  type TaustreamError,
} from '../../errors.ts';
import type { Failure } from './jobs.ts';

/** Errors that keep their class on the way; any other arrives as a PlacementError. */
const classes = [EngineError, LabelError, ModelError, OptionsError, PlacementError, ScoreError, ShapeError];
const byCode = new Map<string | undefined, (typeof classes)[number]>(
  classes.map((ErrorClass) => [new ErrorClass('').code, ErrorClass]),
);

/** Writes an error down as plain values. */
export const failureOf = (error: unknown): Failure =>
  isTaustreamError(error)
    ? { code: error.code, message: error.message, facts: plainly(error.facts) }
    : { message: error instanceof Error ? (error.stack ?? error.message) : String(error), facts: {} };

/** Facts may hold anything; what JSON cannot say is left out. */
const plainly = (facts: TaustreamError['facts']): TaustreamError['facts'] =>
  JSON.parse(
    JSON.stringify(facts, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value)),
  ) as TaustreamError['facts']; // an object gives an object

/** The error that was written down elsewhere, as one of its class. */
export function errorOf({ code, message, facts }: Failure, where = 'Scoring process'): TaustreamError {
  const ErrorClass = byCode.get(code);
  if (ErrorClass) return new ErrorClass(`${where}: ${message}`, facts);
  return new PlacementError(`${where}: ${message.replaceAll(/\s*\n\s*/g, ' ')}`, facts);
}
