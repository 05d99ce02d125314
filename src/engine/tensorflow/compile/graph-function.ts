import type { Attribute } from '../binding/attributes.ts';
import type { Binding } from '../binding/binding.ts';
import type { DataType } from '../binding/data-types.ts';
import type { TensorMetadata } from '../binding/ops.ts';
import type { Pointer } from '../binding/signatures.ts';

/** Shape and type of a function's input or output. */
export interface ValueSpec {
  readonly shape: readonly number[];
  readonly dtype: DataType;
}

let made = 0;

/** A name that no other function of this process has. */
export const functionName = (prefix: string): string => `taustream_${prefix}_${made++}`;

/** A function that TensorFlow knows and can call as one operation. */
export class GraphFunction {
  readonly name: string;
  readonly inputs: readonly ValueSpec[];
  readonly outputs: readonly ValueSpec[];
  /** Operations in it. */
  readonly size: number;
  readonly pointer: Pointer;
  readonly #binding: Binding;
  readonly #parts: readonly GraphFunction[];
  #disposed = false;

  /** Registers `pointer`, which it owns from now on, and the functions that it calls. */
  constructor(
    binding: Binding,
    pointer: Pointer,
    facts: Pick<GraphFunction, 'name' | 'inputs' | 'outputs' | 'size'>,
    parts: readonly GraphFunction[] = [],
  ) {
    const { library, context, status } = binding;
    this.#binding = binding;
    this.pointer = pointer;
    ({ name: this.name, inputs: this.inputs, outputs: this.outputs, size: this.size } = facts);
    this.#parts = parts;
    library.c.TFE_ContextAddFunction(context.pointer, pointer, status.pointer);
    status.check(`function ${facts.name}`);
    binding.functions.add(facts.name);
  }

  /** Calls it; the outputs are owned by the caller. */
  call(inputs: readonly number[], attributes: readonly Attribute[] = []): TensorMetadata[] {
    const handles = this.#binding.ops.execute(this.name, attributes, inputs, this.outputs.length);
    return handles.map((handle, i) => ({
      id: this.#binding.handles.add(handle),
      shape: [...(this.outputs[i]?.shape ?? [])],
      dtype: this.outputs[i]?.dtype ?? 0,
    }));
  }

  /** Takes it, and the functions that only it calls, out of TensorFlow. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const { library, context, status, functions } = this.#binding;
    context.queue.wait(); // it may be under way; if it fails, whoever calls or reads next is told
    library.c.TFE_ContextRemoveFunction(context.pointer, this.name, status.pointer);
    library.c.TF_DeleteFunction(this.pointer);
    functions.delete(this.name);
    for (const part of this.#parts) part.dispose();
  }
}
