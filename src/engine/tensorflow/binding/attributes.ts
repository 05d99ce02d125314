import { EngineError } from '../../../errors.ts';
import type { Library } from './library.ts';
import type { OpDefinition } from './op-definitions.ts';
import type { Address, Functions, Pointer } from './signatures.ts';
import type { Status } from './status.ts';

/** The value of an attribute, as TensorFlow.js' kernels pass it. Types are numbers of `TF_DataType`. */
export type AttributeValue =
  boolean | number | bigint | string | Uint8Array | readonly (number | bigint | string)[] | object;

export interface Attribute {
  readonly name: string;
  /** TensorFlow.js' own tag of the kind. The engine goes by the operation's definition instead. */
  readonly type?: number;
  readonly value: AttributeValue;
}

/** The setters of one kind of operation: eager (`TFE_Op`) and graph (`TF_OperationDescription`) have the same set. */
interface Setters {
  readonly string: (op: Pointer, name: string, value: Address, length: number) => void;
  readonly int: (op: Pointer, name: string, value: number | bigint) => void;
  readonly float: (op: Pointer, name: string, value: number) => void;
  readonly bool: (op: Pointer, name: string, value: number) => void;
  readonly type: (op: Pointer, name: string, value: number) => void;
  readonly shape: (op: Pointer, name: string, dims: Address, rank: number) => void;
  readonly ints: (op: Pointer, name: string, values: Address, length: number) => void;
  readonly floats: (op: Pointer, name: string, values: Address, length: number) => void;
  readonly bools: (op: Pointer, name: string, values: Address, length: number) => void;
  readonly types: (op: Pointer, name: string, values: Address, length: number) => void;
  readonly strings: (op: Pointer, name: string, values: Address, lengths: Address, length: number) => void;
  readonly function: (op: Pointer, name: string, value: string, length: number) => void;
}

/** Sets attributes on operations, by the kinds that the operation's definition gives. */
export class Attributes {
  readonly #setters: Setters;

  constructor(setters: Setters) {
    this.#setters = setters;
  }

  static eager({ c }: Library, status: Status): Attributes {
    return new Attributes({
      ...settersOf(c, 'TFE_Op'),
      shape: (op, name, dims, rank) => {
        c.TFE_OpSetAttrShape(op, name, dims, rank, status.pointer);
        status.check(`attribute ${name}`);
      },
      function: c.TFE_OpSetAttrFunctionName,
    });
  }

  static graph({ c }: Library): Attributes {
    return new Attributes({ ...settersOf(c, 'TF_'), shape: c.TF_SetAttrShape, function: c.TF_SetAttrFuncName });
  }

  /** @throws {EngineError} when the operation has no such attribute, or not of that kind */
  set(op: Pointer, definition: OpDefinition, { name, value }: Attribute): void {
    const kind = definition.attributes.get(name) ?? hintKind(name, value);
    if (kind === undefined)
      throw misfit(definition, name, `one of ${[...definition.attributes.keys()].join(', ')}`, name);
    if (!this.#setScalar(op, kind, name, value) && !this.#setList(op, kind, name, value)) {
      throw misfit(definition, name, kind, JSON.stringify(value));
    }
  }

  #setScalar(op: Pointer, kind: string, name: string, value: AttributeValue): boolean {
    const set = this.#setters;
    if (kind === 'type' && typeof value === 'number') set.type(op, name, value);
    else if (kind === 'int' && (typeof value === 'number' || typeof value === 'bigint')) set.int(op, name, value);
    else if (kind === 'float' && typeof value === 'number') set.float(op, name, value);
    else if (kind === 'bool' && (typeof value === 'boolean' || typeof value === 'number'))
      set.bool(op, name, value ? 1 : 0);
    else if (kind === 'string' && (typeof value === 'string' || value instanceof Uint8Array)) {
      const bytes = Buffer.from(value);
      set.string(op, name, bytes, bytes.length);
    } else if (kind === 'func' && typeof value === 'string') set.function(op, name, value, Buffer.byteLength(value));
    else return false;
    return true;
  }

  #setList(op: Pointer, kind: string, name: string, value: AttributeValue): boolean {
    if (!Array.isArray(value)) return false;
    const set = this.#setters;
    const values: readonly (number | bigint | string)[] = value;
    if (kind === 'shape') set.shape(op, name, integers(values), values.length);
    else if (kind === 'list(int)') set.ints(op, name, integers(values), values.length);
    else if (kind === 'list(float)') set.floats(op, name, Float32Array.from(values, Number), values.length);
    else if (kind === 'list(bool)') set.bools(op, name, Uint8Array.from(values, Number), values.length);
    else if (kind === 'list(shape)' && value.length === 0)
      return true; // the default: unknown shapes
    else if (kind === 'list(type)') set.types(op, name, Int32Array.from(values, Number), values.length);
    else return false;
    return true;
  }
}

/** Hints to TensorFlow's compilers (`_XlaMustCompile`) stand in no definition; an underscore marks them. */
function hintKind(name: string, value: AttributeValue): string | undefined {
  if (!name.startsWith('_')) return undefined;
  return typeof value === 'boolean' ? 'bool' : 'string';
}

const integers = (values: readonly (number | bigint | string)[]) => BigInt64Array.from(values, BigInt);

function settersOf(c: Functions, prefix: 'TFE_Op' | 'TF_'): Omit<Setters, 'shape' | 'function'> {
  return {
    string: c[`${prefix}SetAttrString`],
    int: c[`${prefix}SetAttrInt`],
    float: c[`${prefix}SetAttrFloat`],
    bool: c[`${prefix}SetAttrBool`],
    type: c[`${prefix}SetAttrType`],
    ints: c[`${prefix}SetAttrIntList`],
    floats: c[`${prefix}SetAttrFloatList`],
    bools: c[`${prefix}SetAttrBoolList`],
    types: c[`${prefix}SetAttrTypeList`],
    strings: c[`${prefix}SetAttrStringList`],
  };
}

const misfit = ({ name: op }: OpDefinition, name: string, expected: string, got: string) =>
  new EngineError(`${op}: attribute \`${name}\` expects ${expected}, got ${got}. Correct the attribute.`, { op, name });
