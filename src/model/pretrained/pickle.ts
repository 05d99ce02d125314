import { ModelError } from '../../errors.ts';

/** What a pickle may call: `module.name`, and what it does with its arguments. Nothing else is ever run. */
export type PickleCalls = Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;

export interface PickleOptions {
  /** Named in messages. */
  readonly where: string;
  readonly calls?: PickleCalls;
  /** Makes what a persistent id stands for. */
  readonly persistent?: (id: unknown) => unknown;
}

const MARK = Symbol('mark');

/** A function or class that a pickle names. */
export class PickleGlobal {
  /** `module.name` */
  readonly name: string;
  readonly call: PickleCalls[string];
  constructor(name: string, call: PickleCalls[string]) {
    this.name = name;
    this.call = call;
  }
}

/**
 * Reads one Python pickle of protocol 2, as far as it holds plain values: numbers, texts, tuples, lists and
 * dictionaries (as arrays and maps), and calls of functions that are given. A pickle is a program; this one can do
 * nothing but build values.
 *
 * @param at where it begins
 * @returns the value, and where the next byte lies
 * @throws {ModelError} when it is cut short, or does anything else
 */
export function readPickle(bytes: Buffer, at: number, options: PickleOptions): { value: unknown; end: number } {
  const machine = new Machine(bytes, at, options);
  return { value: machine.run(), end: machine.at };
}

class Machine {
  at: number;
  readonly #bytes: Buffer;
  readonly #options: PickleOptions;
  readonly #stack: unknown[] = [];
  readonly #memo = new Map<number, unknown>();

  constructor(bytes: Buffer, at: number, options: PickleOptions) {
    this.#bytes = bytes;
    this.at = at;
    this.#options = options;
  }

  run(): unknown {
    for (;;) {
      const place = this.at;
      const code = this.#take(1)[0]!;
      if (code === 0x2e) return this.#pop();
      if (!this.#value(code) && !this.#structure(code))
        throw this.#error(`got opcode 0x${code.toString(16)} at byte ${place}`);
    }
  }

  /** Opcodes that push a value or touch the memo. */
  #value(code: number): boolean {
    const push = (value: unknown) => this.#stack.push(value) > 0;
    switch (code) {
      case 0x80: // PROTO
        return this.#take(1).length === 1;
      case 0x4e: // NONE
        return push(null);
      case 0x88: // NEWTRUE
        return push(true);
      case 0x89: // NEWFALSE
        return push(false);
      case 0x4b: // BININT1
        return push(this.#take(1)[0]);
      case 0x4d: // BININT2
        return push(this.#take(2).readUInt16LE());
      case 0x4a: // BININT
        return push(this.#take(4).readInt32LE());
      case 0x8a: // LONG1
        return push(this.#long(this.#take(1)[0]!));
      case 0x47: // BINFLOAT
        return push(this.#take(8).readDoubleBE());
      case 0x58: // BINUNICODE
        return push(this.#take(this.#take(4).readUInt32LE()).toString('utf8'));
      case 0x71: // BINPUT
        return this.#remember(this.#take(1)[0]!);
      case 0x72: // LONG_BINPUT
        return this.#remember(this.#take(4).readUInt32LE());
      case 0x68: // BINGET
        return push(this.#memo.get(this.#take(1)[0]!));
      case 0x6a: // LONG_BINGET
        return push(this.#memo.get(this.#take(4).readUInt32LE()));
      default:
        return false;
    }
  }

  /** Opcodes that make structures of what lies on the stack. */
  #structure(code: number): boolean {
    const stack = this.#stack;
    const push = (value: unknown) => stack.push(value) > 0;
    switch (code) {
      case 0x28: // MARK
        return push(MARK);
      case 0x7d: // EMPTY_DICT
        return push(new Map());
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
        return push([]);
      case 0x74: // TUPLE
        return push(this.#sinceMark());
      case 0x85: // TUPLE1, TUPLE2, TUPLE3
      case 0x86:
      case 0x87:
        return push(stack.splice(stack.length - (code - 0x84)));
      case 0x61: // APPEND
        return this.#append([this.#pop()]);
      case 0x65: // APPENDS
        return this.#append(this.#sinceMark());
      case 0x73: // SETITEM
        return this.#setItems(stack.splice(-2));
      case 0x75: // SETITEMS
        return this.#setItems(this.#sinceMark());
      case 0x63: // GLOBAL
        return push(this.#global(`${this.#line()}.${this.#line()}`));
      case 0x52: // REDUCE
        return push(this.#reduce(this.#pop(), this.#pop()));
      case 0x62: // BUILD: attributes of an object, which nothing here has a use for
        this.#pop();
        return true;
      case 0x51: // BINPERSID
        return push(this.#options.persistent?.(this.#pop()));
      default:
        return false;
    }
  }

  #take(count: number): Buffer {
    if (this.at + count > this.#bytes.length) throw this.#error(`it ends at byte ${this.#bytes.length}`);
    this.at += count;
    return this.#bytes.subarray(this.at - count, this.at);
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.at);
    if (end < 0) throw this.#error(`it ends at byte ${this.#bytes.length}`);
    return this.#take(end + 1 - this.at)
      .toString('utf8')
      .trimEnd();
  }

  #long(count: number): bigint | number {
    const bytes = this.#take(count);
    let value = 0n;
    for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
    const signed = BigInt.asIntN(8 * Math.max(count, 1), value);
    return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed;
  }

  #pop(): unknown {
    if (this.#stack.length === 0) throw this.#error('its stack is empty');
    return this.#stack.pop();
  }

  #remember(key: number): boolean {
    this.#memo.set(key, this.#stack.at(-1));
    return true;
  }

  #sinceMark(): unknown[] {
    const mark = this.#stack.lastIndexOf(MARK);
    if (mark < 0) throw this.#error('a mark is missing');
    return this.#stack.splice(mark).slice(1);
  }

  #append(items: readonly unknown[]): boolean {
    const list = this.#stack.at(-1);
    if (!Array.isArray(list)) throw this.#error('it appends to no list');
    for (const item of items) list.push(item);
    return true;
  }

  #setItems(pairs: readonly unknown[]): boolean {
    const map = this.#stack.at(-1);
    if (!(map instanceof Map)) throw this.#error('it sets items of no dictionary');
    for (let i = 0; i < pairs.length; i += 2) map.set(pairs[i], pairs[i + 1]);
    return true;
  }

  #global(name: string): PickleGlobal {
    const call = this.#options.calls?.[name];
    if (!call) throw this.#error(`it wants to call \`${name}\``);
    return new PickleGlobal(name, call);
  }

  #reduce(args: unknown, callable: unknown): unknown {
    if (!(callable instanceof PickleGlobal) || !Array.isArray(args)) throw this.#error('it calls what is no function');
    return callable.call(...(args as unknown[]));
  }

  #error(got: string): ModelError {
    return new ModelError(
      `${this.#options.where}: expected a pickle of plain values, but ${got}. Save the weights again, as a state dictionary.`,
      { file: this.#options.where },
    );
  }
}
