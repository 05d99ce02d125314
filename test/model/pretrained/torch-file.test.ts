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

/** A file as PyTorch wrote them before 1.6. */
function torchFile(tensors: Readonly<Record<string, View>>, storages: Readonly<Record<string, number[]>>): Buffer {
  const dictionary = new PickleWriter().global('collections', 'OrderedDict').op(0x29, 0x52, 0x28);
  for (const [name, { key, length, offset, shape, strides }] of Object.entries(tensors)) {
    dictionary.text(name).global('torch._utils', '_rebuild_tensor_v2').op(0x28);
    dictionary.op(0x28).text('storage').global('torch', 'FloatStorage').text(key).text('cpu').int(length).op(0x4e);
    dictionary.op(0x74, 0x51).int(offset).tuple(shape).tuple(strides).op(0x89);
    dictionary.global('collections', 'OrderedDict').op(0x29, 0x52, 0x74, 0x52);
  }
  dictionary.op(0x75);
  const keys = new PickleWriter().op(0x5d, 0x28);
  for (const key of Object.keys(storages)) keys.text(key);
  keys.op(0x65);
  const data = Object.values(storages).map((values) => {
    const bytes = Buffer.alloc(8 + 4 * values.length);
    bytes.writeBigInt64LE(BigInt(values.length));
    for (const [i, value] of values.entries()) bytes.writeFloatLE(value, 8 + 4 * i);
    return bytes;
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
