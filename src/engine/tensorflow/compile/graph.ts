import { Attributes, type Attribute } from '../binding/attributes.ts';
import type { DataType } from '../binding/data-types.ts';
import type { OpRunnerParts } from '../binding/ops.ts';
import { groupInputs } from '../binding/ops.ts';
import type { Output, Pointer } from '../binding/signatures.ts';
import type { HostValues } from '../binding/tensors.ts';

/** A graph operation's result: where it is, and what TensorFlow infers of it. A dimension of -1 is unknown. */
export interface GraphOutput {
  readonly output: Output;
  readonly shape: number[] | undefined;
  readonly dtype: DataType;
}

/** An operation as added to a graph. */
export interface GraphOperation {
  readonly oper: Pointer;
  readonly outputs: GraphOutput[];
  /** The numbers that it takes, where they are not those of the call. */
  readonly sources?: readonly number[];
}

const dims = new BigInt64Array(32);

/** A `TF_Graph` under construction. */
export class Graph {
  readonly pointer: Pointer;
  readonly #parts: OpRunnerParts;
  readonly #attributes: Attributes;
  #operations = 0;

  constructor(parts: OpRunnerParts) {
    this.#parts = parts;
    this.#attributes = Attributes.graph(parts.library);
    this.pointer = parts.library.c.TF_NewGraph();
  }

  placeholder(shape: readonly number[], dtype: DataType): GraphOperation {
    return this.#add(
      'Placeholder',
      [
        { name: 'dtype', value: dtype },
        { name: 'shape', value: shape },
      ],
      [],
    );
  }

  constant(shape: readonly number[], dtype: DataType, values: HostValues): GraphOperation {
    const { library, status, tensors } = this.#parts;
    const { c } = library;
    const tensor = tensors.allocate(shape, dtype, values);
    try {
      return this.#finish('Const', (description) => {
        c.TF_SetAttrType(description, 'dtype', dtype);
        c.TF_SetAttrTensor(description, 'value', tensor, status.pointer);
      });
    } finally {
      c.TF_DeleteTensor(tensor);
    }
  }

  /** Adds an operation; its inputs are numbered as in `outputOf`. */
  operation(
    name: string,
    attributes: readonly Attribute[],
    inputs: readonly number[],
    outputOf: (id: number) => Output,
  ): GraphOperation {
    const definition = this.#parts.definitions.get(name);
    const groups = groupInputs(definition, attributes, inputs);
    return this.#add(
      name,
      attributes,
      groups.map((group) => (typeof group === 'number' ? outputOf(group) : group.map(outputOf))),
    );
  }

  #add(name: string, attributes: readonly Attribute[], inputs: readonly (Output | Output[])[]): GraphOperation {
    const { library, definitions } = this.#parts;
    const definition = definitions.get(name);
    return this.#finish(name, (description) => {
      for (const input of inputs) {
        if (Array.isArray(input)) library.c.TF_AddInputList(description, input, input.length);
        else library.c.TF_AddInput(description, input);
      }
      for (const attribute of attributes) {
        if (inputs.length > 0 && definition.inferred.has(attribute.name)) continue;
        this.#attributes.set(description, definition, attribute);
      }
    });
  }

  #finish(name: string, describe: (description: Pointer) => void): GraphOperation {
    const { library, status } = this.#parts;
    const { c } = library;
    const description = c.TF_NewOperation(this.pointer, name, `n${this.#operations++}`);
    describe(description);
    const oper = c.TF_FinishOperation(description, status.pointer);
    status.check(name, { op: name });
    const outputs = Array.from({ length: c.TF_OperationNumOutputs(oper) }, (_, index) =>
      this.#inspect({ oper, index }),
    );
    return { oper, outputs };
  }

  #inspect(output: Output): GraphOutput {
    const { library, status } = this.#parts;
    const { c } = library;
    const dtype = c.TF_OperationOutputType(output);
    const rank = c.TF_GraphGetTensorNumDims(this.pointer, output, status.pointer);
    if (rank < 0) return { output, shape: undefined, dtype };
    c.TF_GraphGetTensorShape(this.pointer, output, dims, rank, status.pointer);
    return { output, shape: Array.from(dims.subarray(0, rank), Number), dtype };
  }

  /** Tells the graph the shape of an output, which it cannot infer. */
  setShape(output: Output, shape: readonly number[]): void {
    const { library, status } = this.#parts;
    const sizes = BigInt64Array.from(shape, BigInt);
    library.c.TF_GraphSetTensorShape(this.pointer, output, sizes, shape.length, status.pointer);
    status.check('setShape()');
  }

  /** Makes a function known to this graph, so that its operations may name it. */
  useFunction(pointer: Pointer): void {
    const { library, status } = this.#parts;
    library.c.TF_GraphCopyFunction(this.pointer, pointer, 0n, status.pointer);
    status.check('useFunction()');
  }

  /** Turns part of the graph into a function; the caller deletes it. */
  toFunction(name: string, opers: readonly Pointer[], inputs: readonly Output[], outputs: readonly Output[]): Pointer {
    const { library, status } = this.#parts;
    const body = BigUint64Array.from(opers);
    const ends = [inputs.length, inputs, outputs.length, outputs] as const;
    const rest = [null, null, null, status.pointer] as const;
    const made = library.c.TF_GraphToFunction(this.pointer, name, 0, body.length, body, ...ends, ...rest);
    status.check(`function ${name}`);
    return made;
  }

  dispose(): void {
    this.#parts.library.c.TF_DeleteGraph(this.pointer);
  }
}
