import { CompileError } from '../../../errors.ts';
import { nameOfType } from '../binding/data-types.ts';
import type { Output, Pointer } from '../binding/signatures.ts';
import type { HostValues } from '../binding/tensors.ts';
import type { GraphOperation } from './graph.ts';
import type { ValueSpec } from './graph-function.ts';
import { atUserPlace } from '../../place.ts';

/** A tensor of the graph that is being built. Its number is negative, so no handle has it. */
export interface Symbolic extends ValueSpec {
  readonly id: number;
  /** The frame that it belongs to. */
  readonly frame: object;
  readonly output: Output;
  readonly shape: number[];
  /** The operation that makes it, and the numbers that it takes. */
  readonly oper: Pointer;
  readonly sources: readonly number[];
  readonly isInput: boolean;
  /** The values of a constant. */
  readonly values?: HostValues;
}

const symbols = new Map<number, Symbolic>();
let last = -1; // tfjs-node marks data without a handle with -1

/** The symbolic tensor of a number, while its frame is open. */
export const symbolOf = (id: number): Symbolic | undefined => symbols.get(id);

export const forgetSymbol = (id: number): boolean => symbols.delete(id);

/** What is known of a new symbol beside the operation that makes it. */
export interface SymbolFacts {
  readonly isInput?: boolean;
  readonly values?: HostValues;
  /** Which of the operation's outputs it is. */
  readonly index?: number;
  /** Whether its shape may be unknown, because only TensorFlow ever looks at it. */
  readonly mayBeOpaque?: boolean;
}

/** @throws {CompileError} when the shape is not known before the step runs */
export function createSymbol(
  frame: object,
  operation: GraphOperation,
  inputs: readonly number[],
  { isInput = false, values, index = 0, mayBeOpaque = false }: SymbolFacts,
): Symbolic {
  const made = operation.outputs[index];
  const isKnown = made?.shape && !made.shape.includes(-1);
  if (!made || (!isKnown && !mayBeOpaque)) {
    throw new CompileError(
      `compile(): the shape of ${made ? `${nameOfType(made.dtype)} [${made.shape?.join(',') ?? '?'}]` : 'an output'}${atUserPlace()} depends on values, and a compiled step has fixed shapes. Compute it outside of the step.`,
    );
  }
  const { oper, sources = inputs } = operation;
  const shape = isKnown && made.shape ? made.shape : [0];
  const facts = { id: --last, frame, output: made.output, shape, dtype: made.dtype, oper, sources, isInput };
  const symbol: Symbolic = values ? { ...facts, values } : facts;
  symbols.set(symbol.id, symbol);
  return symbol;
}

/** Outputs that only the operation's own gradient takes, and whose shape differs between devices. */
const opaque = new Map<string, readonly number[]>([
  ['FusedBatchNormV3', [5]],
  ['FusedBatchNormGradV3', [3, 4]],
  ['CudnnRNNV3', [3, 4]],
]);

export const isOpaque = (operation: string, index: number): boolean => opaque.get(operation)?.includes(index) ?? false;
