import type * as tf from '@tensorflow/tfjs';
import { CompileError } from '../../../errors.ts';
import type { BackendValues, TensorEntry, TensorflowBackend, Tracer } from '../backend.ts';
import type { Attribute } from '../binding/attributes.ts';
import type { Binding } from '../binding/binding.ts';
import { dataTypes, type DataType } from '../binding/data-types.ts';
import type { TensorMetadata } from '../binding/ops.ts';
import type { Output, Pointer } from '../binding/signatures.ts';
import type { HostValues, ReadValues } from '../binding/tensors.ts';
import { repeatedNumber } from './repeated-number.ts';
import { createSymbol, forgetSymbol, isOpaque, symbolOf, type SymbolFacts, type Symbolic } from './symbols.ts';
import { Graph, type GraphOperation } from './graph.ts';
import { functionName, GraphFunction, type ValueSpec } from './graph-function.ts';
import { atUserPlace } from '../../place.ts';

/**
 * One function under construction: an executor that adds operations to a graph instead of running them. Numbers that
 * are not its own come from outside; `captured` says which, and how they entered.
 */
export class Frame implements Tracer {
  readonly graph: Graph;
  /** Functions that operations of this frame call. */
  readonly parts: GraphFunction[] = [];
  /** Numbers from outside, in the order in which they were met, and the inputs that stand for them. */
  readonly captured = new Map<number, Symbolic>();
  readonly inputs: Symbolic[] = [];
  protected readonly backend: TensorflowBackend;
  protected readonly binding: Binding;
  /** The first read on the host that was refused. */
  refused: CompileError | undefined;
  readonly #outer: Frame | undefined;
  readonly #own: number[] = [];
  readonly #constants = new Map<number, Symbolic>();

  constructor(backend: TensorflowBackend, outer?: Frame) {
    this.backend = backend;
    this.binding = backend.engineBinding;
    this.#outer = outer;
    this.graph = new Graph(this.binding);
  }

  idOf(dataId: object, entry: TensorEntry): number {
    const symbol = symbolOf(entry.id);
    if (symbol) return symbol.id;
    if (entry.values !== null && this.#encloses(entry.writtenBy)) {
      entry.id = this.constant(entry.shape, entry.dtype, entry.values).id;
      return entry.id;
    }
    return this.outsideId(dataId, entry);
  }

  /** The number of a tensor from outside. */
  protected outsideId(dataId: object, entry: TensorEntry): number {
    return this.#outer ? this.#outer.idOf(dataId, entry) : this.backend.tensors.uploadedId(entry);
  }

  read(entry: TensorEntry): BackendValues {
    if (entry.values === null || !this.#encloses(entry.writtenBy)) throw this.readRefused();
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- they are what TensorFlow.js wrote
    return entry.values as BackendValues;
  }

  #encloses(tracer: Tracer | undefined): boolean {
    if (tracer === undefined) return false;
    return tracer === this || (this.#outer !== undefined && this.#outer.#encloses(tracer));
  }

  /** Adds an input of the function. */
  input({ shape, dtype }: ValueSpec): Symbolic {
    const symbol = this.#adopt(this.graph.placeholder(shape, dtype), [], { isInput: true });
    this.inputs.push(symbol);
    return symbol;
  }

  createTensor(shape: readonly number[], dtype: DataType, values: HostValues): number {
    return this.constant(shape, dtype, values).id;
  }

  constant(shape: readonly number[], dtype: DataType, values: HostValues): Symbolic {
    const same = repeatedNumber(shape, dtype, values);
    const operation = same === undefined ? this.graph.constant(shape, dtype, values) : this.#fill(shape, dtype, same);
    return this.#adopt(operation, [], { values });
  }

  /** A tensor of one number: kept as that number, not as many. */
  #fill(shape: readonly number[], dtype: DataType, value: number): GraphOperation {
    const parts = [
      this.graph.constant([shape.length], dataTypes.int32, shape),
      this.graph.constant([], dtype, [value]),
    ].map((operation) => this.#adopt(operation, []));
    const sources = parts.map(({ id }) => id);
    return { ...this.graph.operation('Fill', [], sources, (id) => this.#outputOf(id)), sources };
  }

  deleteTensor(id: number): void {
    if (id > 0) this.binding.release(id); // a tensor from before the trace that nobody holds any more
  }

  tensorDataSync(id: number): ReadValues {
    const symbol = symbolOf(id);
    if (symbol?.values) {
      const tensor = this.binding.tensors.allocate(symbol.shape, symbol.dtype, symbol.values);
      const values = this.binding.tensors.read(tensor);
      this.binding.library.c.TF_DeleteTensor(tensor);
      return values;
    }
    throw this.readRefused();
  }

  /** The error of a read on the host. It is kept too, for steps that do not look at the promise of a read. */
  readRefused(): CompileError {
    const root = this.#root();
    root.refused ??= new CompileError(
      `compile(): a compiled step reads a tensor on the host${atUserPlace()}, but it is replayed without JavaScript. Return the tensor and read it outside.`,
    );
    return root.refused;
  }

  #root(): Frame {
    return this.#outer ? this.#outer.#root() : this;
  }

  executeOp(
    name: string,
    attributes: readonly Attribute[],
    inputs: readonly number[],
    outputs: number,
  ): TensorMetadata[] {
    this.#refuseEffects(name);
    const operation = this.graph.operation(name, attributes, inputs, (id) => this.#outputOf(id));
    const made = operation.outputs
      .slice(0, outputs)
      .map((_, index) => this.#adopt(operation, inputs, { index, mayBeOpaque: isOpaque(name, index) }));
    return made.map(({ id, shape, dtype }) => ({ id, shape: [...shape], dtype }));
  }

  /** Makes a function known here, and owned by what is built here. */
  use(part: GraphFunction): void {
    this.graph.useFunction(part.pointer);
    this.parts.push(part);
  }

  /** Adds a loop, whose outputs have the shapes of its inputs. */
  executeLoop(name: string, attributes: readonly Attribute[], inputs: readonly number[]): TensorMetadata[] {
    return this.#addShaped(
      name,
      attributes,
      inputs,
      inputs.map((id) => this.specOf(id)),
    );
  }

  #addShaped(
    name: string,
    attributes: readonly Attribute[],
    inputs: readonly number[],
    specs: readonly ValueSpec[],
  ): TensorMetadata[] {
    const operation = this.graph.operation(name, attributes, inputs, (id) => this.#outputOf(id));
    const outputs = operation.outputs.map((output, i) => ({ ...output, shape: [...(specs[i]?.shape ?? [])] }));
    for (const { output, shape } of outputs) this.graph.setShape(output, shape);
    return outputs.map((_, index) => {
      const { id, shape, dtype } = this.#adopt({ ...operation, outputs }, inputs, { index });
      return { id, shape: [...shape], dtype };
    });
  }

  /** Adds a call of a function, which XLA compiles where `xla` says so. */
  executeCall(part: GraphFunction, inputs: readonly number[], { xla = false } = {}): TensorMetadata[] {
    const attributes = [
      { name: 'Tin', value: inputs.map((id) => this.specOf(id).dtype) },
      { name: 'Tout', value: part.outputs.map(({ dtype }) => dtype) },
      { name: 'f', value: part.name },
      ...(xla ? [{ name: '_XlaMustCompile', value: true }] : []),
    ];
    return this.#addShaped('PartitionedCall', attributes, inputs, part.outputs);
  }

  #refuseEffects(name: string): void {
    if (
      !this.binding.definitions.get(name).isStateful ||
      /^(?:Collective|CudnnRNN|While$|If$|Case$|Assert$|Nccl)/u.test(name)
    )
      return;
    throw new CompileError(
      `compile(): the operation ${name}${atUserPlace()} keeps a state or acts outside of TensorFlow, so it cannot be replayed. Call it outside of the step.`,
      { op: name },
    );
  }

  #outputOf(id: number): Output {
    return this.resolve(id).output;
  }

  /** This frame's own symbol for a number: what is not its own becomes a constant or an input. */
  resolve(id: number): Symbolic {
    const symbol = symbolOf(id);
    if (symbol?.frame === this) return symbol;
    if (symbol?.values) return this.#localConstant(symbol);
    const known = this.captured.get(id);
    if (known) return known;
    const input = this.input(this.specOf(id));
    this.captured.set(id, input);
    return input;
  }

  /** Shape and type of any number, symbolic or not. */
  specOf(id: number): ValueSpec {
    const symbol = symbolOf(id);
    if (symbol) return symbol;
    const handle = this.binding.handles.get(id);
    return { shape: this.binding.tensors.shapeOf(handle), dtype: this.binding.tensors.typeOf(handle) };
  }

  #localConstant({ id, shape, dtype, values = [] }: Symbolic): Symbolic {
    const local = this.#constants.get(id) ?? this.constant(shape, dtype, values);
    this.#constants.set(id, local);
    return local;
  }

  #adopt(operation: GraphOperation, inputs: readonly number[], facts: SymbolFacts = {}): Symbolic {
    const symbol = createSymbol(this, operation, inputs, facts);
    this.#own.push(symbol.id);
    return symbol;
  }

  /** This trace's number of a tensor. */
  backendId(tensor: tf.Tensor): number {
    return this.backend.tensors.idOf(tensor);
  }

  /** Builds the function that gives `outputs`, of the operations that they need; it owns the functions that it calls. */
  build(prefix: string, outputs: readonly number[], ownsParts = true): GraphFunction {
    return this.#build(
      prefix,
      outputs.map((id) => this.#asResult(this.resolve(id))),
      ownsParts,
    );
  }

  /** Builds the body of a loop, whose outputs may be inputs as they are: TensorFlow then knows that they never change. */
  buildBody(prefix: string, outputs: readonly number[]): GraphFunction {
    return this.#build(
      prefix,
      outputs.map((id) => this.resolve(id)),
      true,
    );
  }

  #build(prefix: string, ends: readonly Symbolic[], ownsParts: boolean): GraphFunction {
    const opers = this.#needed(ends);
    const name = functionName(prefix);
    const pointer = this.graph.toFunction(
      name,
      opers,
      this.inputs.map(({ output }) => output),
      ends.map(({ output }) => output),
    );
    const facts = { name, inputs: this.inputs.map(specOnly), outputs: ends.map(specOnly), size: opers.length };
    return new GraphFunction(this.binding, pointer, facts, ownsParts ? this.parts.splice(0) : []);
  }

  /** An input cannot be an output as it is; TensorFlow passes `Identity` on without a copy. */
  #asResult(symbol: Symbolic): Symbolic {
    if (!symbol.isInput) return symbol;
    const [passed] = this.executeOp('Identity', [], [symbol.id], 1);
    return this.resolve(passed?.id ?? 0);
  }

  #needed(ends: readonly Symbolic[]): Pointer[] {
    const opers = new Set<Pointer>();
    const pending = [...ends];
    for (let symbol = pending.pop(); symbol; symbol = pending.pop()) {
      if (symbol.isInput || opers.has(symbol.oper)) continue;
      opers.add(symbol.oper);
      for (const source of symbol.sources) pending.push(this.resolve(source));
    }
    return [...opers];
  }

  /** Forgets the graph and its symbols. What was built stays; functions that nothing built owns go too. */
  dispose(): void {
    for (const part of this.parts.splice(0)) part.dispose();
    for (const id of this.#own) forgetSymbol(id);
    this.graph.dispose();
  }
}

const specOnly = ({ shape, dtype }: Symbolic): ValueSpec => ({ shape, dtype });
