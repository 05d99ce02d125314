import assert from 'node:assert/strict';
import { join } from 'node:path';
import { parseTorch, readTorchFile } from '../../../src/model/pretrained/torch-file.ts';

/** Writes Python pickles of protocol 2 as far as a state dictionary takes: an encoder of its own, by the opcodes' list. */
class PickleWriter {
  readonly #parts: Buffer[] = [Buffer.from([0x80, 2])];

  op(...bytes: number[]): this {
    this.#parts.push(Buffer.from(bytes));
    return this;
  }
  int(value: number): this {
    const bytes = Buffer.alloc(5, 0x4a);
    bytes.writeInt32LE(value, 1);
    this.#parts.push(bytes);
    return this;
  }
  text(value: string): this {
    const length = Buffer.alloc(5, 0x58);
    length.writeUInt32LE(Buffer.byteLength(value), 1);
    this.#parts.push(length, Buffer.from(value));
    return this;
  }
  global(module: string, name: string): this {
    this.#parts.push(Buffer.from(`c${module}\n${name}\n`));
    return this;
  }
  tuple(values: readonly number[]): this {
    this.op(0x28);
    for (const value of values) this.int(value);
    return this.op(0x74);
  }
  done(): Buffer {
    return Buffer.concat([...this.#parts, Buffer.from('.')]);
  }
}

interface View {
  readonly key: string;
  readonly length: number;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

const MAGIC = Buffer.from('80028a0a6cfc9c46f920 6aa8501 92e'.replaceAll(' ', ''), 'hex');

/** Elements of a storage as they lie there. */
interface Elements {
  readonly type: string;
  readonly count: number;
  readonly bytes: Buffer;
}
const floatElements = (values: readonly number[]): Elements => {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeFloatLE(value, 4 * i);
  return { type: 'FloatStorage', count: values.length, bytes };
};

/** A file as PyTorch wrote them before 1.6. */
function torchFile(
  tensors: Readonly<Record<string, View>>,
  given: Readonly<Record<string, readonly number[] | Elements>>,
): Buffer {
  const storages = Object.fromEntries(
    Object.entries(given).map(([key, own]) => [key, 'type' in own ? own : floatElements(own)]),
  );
  const dictionary = new PickleWriter().global('collections', 'OrderedDict').op(0x29, 0x52, 0x28);
  for (const [name, { key, length, offset, shape, strides }] of Object.entries(tensors)) {
    dictionary.text(name).global('torch._utils', '_rebuild_tensor_v2').op(0x28);
    dictionary.op(0x28).text('storage').global('torch', storages[key]!.type).text(key).text('cpu').int(length).op(0x4e);
    dictionary.op(0x74, 0x51).int(offset).tuple(shape).tuple(strides).op(0x89);
    dictionary.global('collections', 'OrderedDict').op(0x29, 0x52, 0x74, 0x52);
  }
  dictionary.op(0x75);
  const keys = new PickleWriter().op(0x5d, 0x28);
  for (const key of Object.keys(storages)) keys.text(key);
  keys.op(0x65);
  const data = Object.values(storages).flatMap(({ count, bytes }) => {
    const length = Buffer.alloc(8);
    length.writeBigInt64LE(BigInt(count));
    return [length, bytes];
  });
  const system = new PickleWriter().op(0x7d).text('little_endian').op(0x88, 0x73);
  const heads = [MAGIC, new PickleWriter().int(1001).done(), system.done(), dictionary.done(), keys.done()];
  return Buffer.concat([...heads, ...data]);
}

const six = { a: [0, 1, 2, 3, 4, 5, 6, 7] };

describe('parseTorch', () => {
  it('honours offset, shape and strides of each view into a storage', () => {
    const read = parseTorch(
      torchFile(
        {
          rows: { key: 'a', length: 8, offset: 2, shape: [2, 3], strides: [3, 1] },
          columns: { key: 'a', length: 8, offset: 2, shape: [3, 2], strides: [1, 3] },
          scalar: { key: 'a', length: 8, offset: 7, shape: [], strides: [] },
        },
        six,
      ),
      'a.pth',
    );
    assert.deepEqual([...read.keys()], ['rows', 'columns', 'scalar']);
    assert.deepEqual([...read.get('rows')!.data], [2, 3, 4, 5, 6, 7]);
    assert.deepEqual([...read.get('columns')!.data], [2, 5, 3, 6, 4, 7]);
    assert.deepEqual(read.get('columns')!.shape, [3, 2]);
    assert.deepEqual([...read.get('scalar')!.data], [7]);
  });

  it('converts float64, float16 and bfloat16 to float32, and leaves whole numbers out', () => {
    const words = (type: string, ...halves: number[]): Elements => {
      const bytes = Buffer.alloc(2 * halves.length);
      for (const [i, half] of halves.entries()) bytes.writeUInt16LE(half, 2 * i);
      return { type, count: halves.length, bytes };
    };
    const doubles = Buffer.alloc(3 * 8);
    for (const [i, value] of [0.1, -2, 1e300].entries()) doubles.writeDoubleLE(value, 8 * i);
    const storages = {
      d: { type: 'DoubleStorage', count: 3, bytes: doubles },
      h: words('HalfStorage', 0x3c00, 0xc000, 0x3555), // from IEEE 754: 1, -2, 0.333251953125
      b: words('BFloat16Storage', 0x3f80, 0xc000, 0x3eab), // their upper halves: 1, -2, 0.333984375
      f: floatElements([1, 2, 3]),
      n: { type: 'LongStorage', count: 3, bytes: Buffer.alloc(24) },
    };
    const keys = Object.keys(storages);
    const view = (key: string): View => ({ key, length: 3, offset: 0, shape: [3], strides: [1] });
    const read = parseTorch(torchFile(Object.fromEntries(keys.map((key) => [key, view(key)])), storages), 'a.pth');
    assert.deepEqual(
      [...read].map(([name, { data }]) => [name, [...data]]),
      [
        ['d', [Math.fround(0.1), -2, Infinity]],
        ['h', [1, -2, 0.333251953125]],
        ['b', [1, -2, 0.333984375]],
        ['f', [1, 2, 3]],
      ],
    );
  });

  it('refuses a file that ends early, at whichever byte', () => {
    const whole = torchFile({ w: { key: 'a', length: 8, offset: 0, shape: [8], strides: [1] } }, six);
    for (let length = 0; length < whole.length; length++)
      assert.throws(() => parseTorch(whole.subarray(0, length), 'a.pth'), { code: 'ERR_MODEL', message: /^a\.pth: / });
  });

  it('refuses a view that looks beyond its storage', () => {
    const bytes = torchFile({ w: { key: 'a', length: 8, offset: 3, shape: [2, 3], strides: [3, 1] } }, six);
    assert.throws(() => parseTorch(bytes, 'a.pth'), {
      code: 'ERR_MODEL',
      message: /`w`: expected element 8 in its storage, got 8 elements/,
    });
  });

  it('runs nothing that a pickle wants to call', () => {
    const evil = new PickleWriter().global('os', 'system').text('touch /tmp/evil').op(0x85, 0x52).done();
    const bytes = Buffer.concat([MAGIC, new PickleWriter().int(1001).done(), new PickleWriter().op(0x7d).done(), evil]);
    assert.throws(() => parseTorch(bytes, 'a.pth'), { code: 'ERR_MODEL', message: /it wants to call `os\.system`/ });
  });

  it('tells the newer format, and what is none', () => {
    assert.throws(() => parseTorch(Buffer.from('PK\x03\x04rest'), 'a.pt'), {
      code: 'ERR_MODEL',
      message: /got a zip: save it with/,
    });
    assert.throws(() => parseTorch(new PickleWriter().int(7).done(), 'a.pt'), { code: 'ERR_MODEL' });
  });
});

describe('readTorchFile', () => {
  it('says so when there is no file', async () => {
    const path = join(import.meta.dirname, 'nowhere.pth');
    await assert.rejects(readTorchFile(path), { code: 'ERR_MODEL', message: /expected a file, got .*ENOENT/ });
  });
});
