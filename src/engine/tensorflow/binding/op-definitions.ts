import { EngineError } from '../../../errors.ts';
import { bytesAt, type Library } from './library.ts';
import { readMessage } from './protobuf.ts';

/** One argument of an operation: a tensor, `N` tensors of one type (`countedBy`), or a list with its own types. */
export interface ArgumentDefinition {
  readonly name: string;
  readonly isList: boolean;
  /** The attribute that holds the list's length (`N`) or its types (`Tin`). */
  readonly listedBy?: string;
}

/** An operation as TensorFlow itself declares it (`OpDef`). */
export interface OpDefinition {
  readonly name: string;
  readonly inputs: readonly ArgumentDefinition[];
  readonly outputs: readonly ArgumentDefinition[];
  /** Attribute name to type: `int`, `list(int)`, `type`, `shape`, `func`… */
  readonly attributes: ReadonlyMap<string, string>;
  /** Attributes that TensorFlow infers from the inputs, so nobody needs to set them. */
  readonly inferred: ReadonlySet<string>;
  /** Whether some input is a list, and so inputs have to be grouped. */
  readonly hasListInput: boolean;
  readonly isStateful: boolean;
}

/** The operations of a library, read from the library: arities and attribute types come from here and nowhere else. */
export class OpDefinitions {
  readonly #encoded = new Map<string, Uint8Array>();
  readonly #parsed = new Map<string, OpDefinition>();

  constructor(library: Library) {
    const buffer = library.c.TF_GetAllOpList();
    try {
      for (const { bytes } of readMessage(contentsOf(library, buffer))) this.#encoded.set(nameOf(bytes), bytes);
    } finally {
      library.c.TF_DeleteBuffer(buffer);
    }
  }

  get size(): number {
    return this.#encoded.size;
  }

  has(name: string): boolean {
    return this.#encoded.has(name);
  }

  /** @throws {EngineError} when this TensorFlow has no such operation */
  get(name: string): OpDefinition {
    const known = this.#parsed.get(name);
    if (known) return known;
    const bytes = this.#encoded.get(name);
    if (!bytes) {
      throw new EngineError(
        `${name}: this TensorFlow has no such operation. Check the name, or install another version of the engine.`,
        { op: name },
      );
    }
    const definition = parseDefinition(bytes);
    this.#parsed.set(name, definition);
    return definition;
  }
}

/** The bytes of a `TF_Buffer`: `{ const void* data; size_t length; … }`. */
export function contentsOf(library: Library, buffer: bigint): Uint8Array {
  const header = new BigUint64Array(2);
  library.copy(header, buffer, 16);
  const [data = 0n, length = 0n] = header;
  return bytesAt(library, data, Number(length));
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('utf8');

function nameOf(definition: Uint8Array): string {
  for (const field of readMessage(definition)) if (field.number === 1) return text(field.bytes);
  return '';
}

function parseDefinition(bytes: Uint8Array): OpDefinition {
  const inputs: ArgumentDefinition[] = [];
  const outputs: ArgumentDefinition[] = [];
  const attributes = new Map<string, string>();
  const inferred = new Set<string>();
  let name = '';
  let isStateful = false;
  for (const field of readMessage(bytes)) {
    if (field.number === 1) name = text(field.bytes);
    else if (field.number === 2) inputs.push(parseArgument(field.bytes, inferred));
    else if (field.number === 3) outputs.push(parseArgument(field.bytes));
    else if (field.number === 4) attributes.set(...parseAttribute(field.bytes));
    else if (field.number === 17) isStateful = field.integer !== 0;
  }
  const hasListInput = inputs.some((input) => input.isList);
  return { name, inputs, outputs, attributes, inferred, hasListInput, isStateful };
}

function parseArgument(bytes: Uint8Array, inferred?: Set<string>): ArgumentDefinition {
  let name = '';
  let listedBy: string | undefined;
  for (const field of readMessage(bytes)) {
    if (field.number === 1) name = text(field.bytes);
    if (field.number >= 4 && field.number <= 6) inferred?.add(text(field.bytes)); // type, number or type list attribute
    if (field.number === 5 || field.number === 6) listedBy = text(field.bytes);
  }
  return listedBy === undefined ? { name, isList: false } : { name, isList: true, listedBy };
}

function parseAttribute(bytes: Uint8Array): [name: string, type: string] {
  let name = '';
  let type = '';
  for (const field of readMessage(bytes)) {
    if (field.number === 1) name = text(field.bytes);
    if (field.number === 2) type = text(field.bytes);
  }
  return [name, type];
}
