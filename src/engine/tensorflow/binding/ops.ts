import { EngineError } from '../../../errors.ts';
import { Attributes, type Attribute } from './attributes.ts';
import type { Context } from './context.ts';
import type { DataType } from './data-types.ts';
import type { Handles } from './handles.ts';
import type { Library } from './library.ts';
import type { OpDefinition, OpDefinitions } from './op-definitions.ts';
import type { Pointer } from './signatures.ts';
import type { Status } from './status.ts';
import type { Tensors } from './tensors.ts';

/** A tensor made by an operation. */
export interface TensorMetadata {
  id: number;
  shape: number[];
  dtype: DataType;
}

/** The parts that running an operation needs. */
export interface OpRunnerParts {
  readonly library: Library;
  readonly status: Status;
  readonly context: Context;
  readonly definitions: OpDefinitions;
  readonly handles: Handles;
  readonly tensors: Tensors;
}

/** What is known of a function called by its name. */
const functionCall: OpDefinition = {
  name: 'function',
  inputs: [],
  outputs: [],
  attributes: new Map(),
  inferred: new Set(),
  hasListInput: false,
  isStateful: true,
};

/** Runs one operation at a time, eagerly. */
export class OpRunner {
  readonly #parts: OpRunnerParts;
  readonly #attributes: Attributes;
  #results = new BigUint64Array(64);
  readonly #count = new Int32Array(1);
  #executed = 0;

  constructor(parts: OpRunnerParts) {
    this.#parts = parts;
    this.#attributes = Attributes.eager(parts.library, parts.status);
  }

  /** Operations run so far. */
  get executed(): number {
    return this.#executed;
  }

  /**
   * Runs the operation `name` and returns its outputs, owned by the caller.
   *
   * @throws {EngineError} naming the operation, its inputs' shapes and types, and TensorFlow's own message
   */
  run(name: string, attributes: readonly Attribute[], inputs: readonly number[], outputs: number): TensorMetadata[] {
    return this.execute(name, attributes, inputs, outputs).map((handle) => this.#metadata(handle));
  }

  /** As `run`, but returns bare handles: the caller knows their shapes. */
  execute(name: string, attributes: readonly Attribute[], inputs: readonly number[], outputs: number): Pointer[] {
    const { library, status, context, definitions } = this.#parts;
    const { c } = library;
    const definition = definitions.has(name) ? definitions.get(name) : functionCall;
    const op = c.TFE_NewOp(context.pointer, name, status.pointer);
    if (!status.ok) throw this.#failure(name, inputs);
    try {
      if (context.isGpu) c.TFE_OpSetDevice(op, context.device.name, status.pointer);
      this.#addInputs(op, definition, attributes, inputs);
      this.#setAttributes(op, definition, attributes, inputs.length);
      return this.#execute(op, name, inputs, outputs);
    } finally {
      c.TFE_DeleteOp(op);
    }
  }

  #execute(op: Pointer, name: string, inputs: readonly number[], outputs: number): Pointer[] {
    const { library, status } = this.#parts;
    if (this.#results.length < outputs) this.#results = new BigUint64Array(2 * outputs);
    this.#count[0] = outputs;
    library.c.TFE_Execute(op, this.#results, this.#count, status.pointer);
    if (!status.ok) throw this.#failure(name, inputs);
    this.#executed++;
    const made: Pointer[] = [];
    for (let i = 0; i < (this.#count[0] ?? 0); i++) made.push(this.#results[i] ?? 0n);
    return made;
  }

  #addInputs(op: Pointer, definition: OpDefinition, attributes: readonly Attribute[], inputs: readonly number[]): void {
    const { library, status, handles } = this.#parts;
    if (definition.hasListInput) {
      for (const group of groupInputs(definition, attributes, inputs)) {
        if (!Array.isArray(group)) library.c.TFE_OpAddInput(op, handles.get(Number(group)), status.pointer);
        else {
          const list = BigUint64Array.from(group, (id) => handles.get(id));
          library.c.TFE_OpAddInputList(op, list, list.length, status.pointer);
        }
      }
    } else {
      for (const id of inputs) library.c.TFE_OpAddInput(op, handles.get(id), status.pointer);
    }
  }

  #setAttributes(op: Pointer, definition: OpDefinition, attributes: readonly Attribute[], inputs: number): void {
    for (const attribute of attributes) {
      if (inputs > 0 && definition.inferred.has(attribute.name)) continue;
      this.#attributes.set(op, definition, attribute);
    }
  }

  #metadata(handle: Pointer): TensorMetadata {
    const { handles, tensors } = this.#parts;
    return { id: handles.add(handle), shape: tensors.shapeOf(handle), dtype: tensors.typeOf(handle) };
  }

  #failure(name: string, inputs: readonly number[]): EngineError {
    const { status, handles, tensors, context } = this.#parts;
    // The message is taken before the shapes are asked for, which would overwrite it.
    const { message, code } = status;
    const shown = inputs.map((id) => (handles.has(id) ? tensors.describe(handles.get(id)) : 'a disposed tensor'));
    context.queue.failed(message);
    return status.failure(`${name}(${shown.join(', ')})`, message, code, { op: name, inputs: shown });
  }
}

/** An input by itself, or the members of a list of inputs. */
export type InputGroup = number | readonly number[];

/**
 * Groups a flat row of inputs by the operation's definition. One list takes what the single inputs leave; where there are
 * several lists, the attributes that count them decide.
 */
export function groupInputs(
  definition: OpDefinition,
  attributes: readonly Attribute[],
  inputs: readonly number[],
): InputGroup[] {
  const lists = definition.inputs.filter((input) => input.isList).length;
  const rest = inputs.length - (definition.inputs.length - lists);
  const lengthOf = (listedBy: string | undefined) => {
    if (lists === 1) return rest;
    const value = attributes.find(({ name }) => name === listedBy)?.value;
    return Array.isArray(value) ? value.length : Number(value);
  };
  let at = 0;
  const groups = definition.inputs.map(({ isList, listedBy }): InputGroup => {
    if (!isList) return inputs[at++] ?? NaN;
    const length = lengthOf(listedBy);
    at += length;
    return inputs.slice(at - length, at);
  });
  if (at !== inputs.length) {
    throw new EngineError(
      `${definition.name}: expected ${at} inputs (${definition.inputs.map(({ name }) => name).join(', ')}), got ${inputs.length}. Correct the call.`,
      { op: definition.name, inputs: inputs.length },
    );
  }
  return groups;
}
