import * as tf from '@tensorflow/tfjs';
import { CompileError } from '../../../errors.ts';
import type { BackendTensors, TensorEntry, TensorflowBackend } from '../backend.ts';
import { dataTypes, type DataType } from '../binding/data-types.ts';
import type { TensorMetadata } from '../binding/ops.ts';
import type { HostValues } from '../binding/tensors.ts';
import { Frame } from './frame.ts';
import type { Symbolic } from './symbols.ts';
import { atUserPlace } from '../../place.ts';
import type { Draw, Intercepted } from './random-draws.ts';

/** Where one input of a compiled function comes from at each call. */
export type InputSource =
  | { readonly kind: 'argument'; readonly index: number }
  | { readonly kind: 'variable'; readonly variable: tf.Variable }
  | { readonly kind: 'seed' };

/** Captured tensors of at most so many numbers become constants, if the host wrote them (`tf.scalar(0.9)`). */
const CONSTANT_SIZE = 16;

/** The trace of a step: a frame that knows arguments, variables and seeds. */
export class StepTrace extends Frame {
  /** One source an input, in order. */
  readonly sources: InputSource[] = [];
  /** Data of small captured tensors that were made constants: when one is disposed, the function is out of date. */
  readonly frozen: object[] = [];
  /** What variables hold at this point of the trace, where the step has assigned to them. */
  readonly assigned = new Map<tf.Variable, tf.Tensor>();
  readonly #originals = new Map<tf.Variable, object>();
  readonly #variables = new Map<object, tf.Variable>();
  readonly #variableInputs = new Map<tf.Variable, Symbolic>();
  readonly #constants = new Map<object, Symbolic>();
  #seed: Symbolic | undefined;
  #draws = 0;

  constructor(backend: TensorflowBackend) {
    super(backend);
    for (const variable of Object.values(tf.engine().state.registeredVariables)) this.watch(variable);
  }

  /** Makes a variable known: whoever reads it from now on reads an input. */
  watch(variable: tf.Variable): void {
    this.#variables.set(variable.dataId, variable);
  }

  /** A symbolic tensor that stands for an argument. Variables stand for themselves. */
  argument(tensor: tf.Tensor, index: number, id: number): tf.Tensor {
    if (tensor instanceof tf.Variable) return tensor;
    this.sources.push({ kind: 'argument', index });
    return this.backend.tensors.tensorOf(metadataOf(this.input(this.specOf(id))));
  }

  protected override outsideId(dataId: object, entry: TensorEntry): number {
    const variable = this.#variables.get(dataId);
    if (variable) return this.#variableInput(variable, entry).id;
    const known = this.#constants.get(dataId);
    if (known) return known.id;
    const constant = this.#capturedConstant(entry);
    this.#constants.set(dataId, constant);
    this.frozen.push(dataId);
    return constant.id;
  }

  #variableInput(variable: tf.Variable, entry: TensorEntry): Symbolic {
    const known = this.#variableInputs.get(variable);
    if (known) return known;
    const { shape, dtype } = entry;
    const symbol = this.input({ shape, dtype });
    this.sources.push({ kind: 'variable', variable });
    this.#variableInputs.set(variable, symbol);
    return symbol;
  }

  #capturedConstant({ shape, dtype, values, id, fromHost }: TensorEntry): Symbolic {
    const size = shape.reduce((product, dim) => product * dim, 1);
    if (fromHost && size <= CONSTANT_SIZE) {
      return this.constant(
        shape,
        dtype,
        values ?? hostValues(this.binding.tensors.download(this.binding.handles.get(id))),
      );
    }
    throw new CompileError(
      `compile(): a compiled step uses a tensor of shape [${shape.join(',')}] from outside${atUserPlace()}, whose value would be frozen. Pass it as an argument, or make it a \`tf.variable\`.`,
      { shape },
    );
  }

  /** `variable.assign(value)` within the step. */
  assign(variable: tf.Variable, value: tf.Tensor): void {
    if (!this.#originals.has(variable)) this.#originals.set(variable, variable.dataId);
    const kept = tf.keep(tf.clone(value));
    this.assigned.get(variable)?.dispose();
    this.assigned.set(variable, kept);
    variable.dataId = kept.dataId;
  }

  /** Gives variables back the data that they had before the trace. */
  restoreVariables(): void {
    for (const [variable, dataId] of this.#originals) variable.dataId = dataId;
    for (const kept of this.assigned.values()) kept.dispose();
  }

  /** The data that a variable has outside of the trace. */
  originalData(variable: tf.Variable): object {
    return this.#originals.get(variable) ?? variable.dataId;
  }

  /** Draws random numbers by an operation whose seed is new at every call. */
  draw({ distribution, shape, dtype, offset, scale, rounds }: Draw): TensorMetadata {
    const spec = this.constant([shape.length], dataTypes.int32, shape);
    const standard = this.#run(
      operations[distribution],
      [spec.id, this.#nextSeed()],
      [{ name: 'dtype', value: dataTypes.float32 }],
    );
    const scaled = scale === 1 ? standard : this.#run('Mul', [standard, this.#number(scale)]);
    const moved = offset === 0 ? scaled : this.#run('AddV2', [scaled, this.#number(offset)]);
    if (dtype === 'float32') return metadataOf(this.resolve(moved));
    const nearest = rounds ? this.#run('Floor', [this.#run('AddV2', [moved, this.#number(0.5)])]) : moved;
    const whole = this.#cast(nearest, dataTypes.int32); // booleans too: TensorFlow.js cuts 0.7 off to 0, which is false
    return metadataOf(this.resolve(dtype === 'bool' ? this.#cast(whole, dataTypes.bool) : whole));
  }

  #cast(id: number, type: DataType): number {
    return this.#run(
      'Cast',
      [id],
      [
        { name: 'DstT', value: type },
        { name: 'Truncate', value: false },
      ],
    );
  }

  /** What stands in for the values that the host writes: see `interceptDraws`. */
  takeDraws({ take }: Intercepted): NonNullable<BackendTensors['intercept']> {
    return (values, shape, dtype) => {
      const taken = take(values, shape, dtype);
      if (taken === undefined) return undefined;
      if (this.backend.tensors.tracer !== this) {
        throw new CompileError(
          `compile(): random numbers drawn within \`scan\`${atUserPlace()} would be the same at every step. Draw them before, one slice a step.`,
        );
      }
      if (!Array.isArray(taken)) return this.draw(taken);
      if (dtype === 'bool')
        return metadataOf(
          this.constant(
            shape,
            dataTypes.bool,
            taken.map((value) => Number(Math.trunc(value) !== 0)),
          ),
        );
      return metadataOf(this.constant(shape, dtype === 'int32' ? dataTypes.int32 : dataTypes.float32, taken));
    };
  }

  override executeOp(...[name, attributes, inputs, outputs]: Parameters<Frame['executeOp']>): TensorMetadata[] {
    if (name !== 'Multinomial') return super.executeOp(name, attributes, inputs, outputs);
    const kept = attributes.filter((attribute) => attribute.name === 'output_dtype');
    return super.executeOp('StatelessMultinomial', kept, [...inputs, this.#nextSeed()], outputs);
  }

  /** The call's seed, moved by a number of its own for each draw. */
  #nextSeed(): number {
    this.#seed ??= this.#seedInput();
    const step = Math.imul(this.#draws++, 0x9e3779b1); // 2^32 / golden ratio: far from each other
    return this.#run('AddV2', [this.#seed.id, this.constant([2], dataTypes.int32, [step, 0]).id]);
  }

  #seedInput(): Symbolic {
    this.sources.push({ kind: 'seed' });
    return this.input({ shape: [2], dtype: dataTypes.int32 });
  }

  #number(value: number): number {
    return this.constant([], dataTypes.float32, [value]).id;
  }

  #run(name: string, inputs: number[], attributes: { name: string; value: number | boolean }[] = []): number {
    return super.executeOp(name, attributes, inputs, 1)[0]?.id ?? 0;
  }
}

const operations = {
  uniform: 'StatelessRandomUniform',
  normal: 'StatelessRandomNormal',
  truncatedNormal: 'StatelessTruncatedNormal',
} as const;

const metadataOf = ({ id, shape, dtype }: Symbolic): TensorMetadata => ({ id, shape: [...shape], dtype });
const hostValues = (values: HostValues | Float64Array): HostValues => values;
