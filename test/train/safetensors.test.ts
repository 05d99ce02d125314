import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decodeSafetensors, encodeSafetensors, type TensorData } from '../../src/train/safetensors.ts';

const join = (chunks: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(chunks));

/** Any tensor of up to three axes, empty ones and scalars included, of any bits (NaN too). */
const tensor: fc.Arbitrary<TensorData> = fc.array(fc.nat(4), { maxLength: 3 }).chain((shape) => {
  const size = shape.reduce((product, axis) => product * axis, 1);
  return fc
    .tuple(
      fc.constantFrom(Float32Array, Int32Array, Uint8Array),
      fc.uint8Array({ minLength: size * 4, maxLength: size * 4 }),
    )
    .map(([Type, bytes]) => ({ shape, data: new Type(bytes.slice(0, size * Type.BYTES_PER_ELEMENT).buffer) }));
});
const tensors = fc.dictionary(
  fc.string().filter((name) => name !== '__metadata__' && name !== '__proto__'),
  tensor,
);

const file = (header: object, bytes: number) => {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(bytes)]);
};
const u8 = (from: number, to: number) => ({ dtype: 'U8', shape: [to - from], data_offsets: [from, to] });

const refused = (header: object, bytes: number, message: RegExp) =>
  assert.throws(() => decodeSafetensors(file(header, bytes), 'f'), { code: 'ERR_RUN', message });

describe('encodeSafetensors', () => {
  it('lays out one tensor byte for byte as the format says', () => {
    const bytes = join(encodeSafetensors({ w: { shape: [2], data: Float32Array.of(1, -2) } }));
    const header = '{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  '; // 54 characters, padded to 56
    const expected = Buffer.concat([
      Buffer.from([56, 0, 0, 0, 0, 0, 0, 0]),
      Buffer.from(header),
      Buffer.from('0000803f000000c0', 'hex'),
    ]);
    assert.deepEqual(Buffer.from(bytes), expected);
  });

  it('places four-byte values at multiples of four', () => {
    const decoded = encodeSafetensors({
      bytes: { shape: [3], data: Uint8Array.of(1, 2, 3) },
      floats: { shape: [1], data: Float32Array.of(1) },
    });
    const header: Record<string, { data_offsets: number[] }> = JSON.parse(Buffer.from(decoded[1]!).toString());
    assert.deepEqual(header['floats']!.data_offsets, [0, 4]);
    assert.deepEqual(header['bytes']!.data_offsets, [4, 7]);
  });

  it('refuses a shape that does not fit the data', () => {
    assert.throws(() => encodeSafetensors({ w: { shape: [3], data: Float32Array.of(1) } }), {
      code: 'ERR_RUN',
      message: 'encodeSafetensors(): expected 3 numbers in `w` [3], got 1.',
    });
  });
});

describe('decodeSafetensors', () => {
  it('gives back every tensor, bit for bit', () => {
    fc.assert(
      fc.property(tensors, (given) => {
        const found = decodeSafetensors(join(encodeSafetensors(given)), 'here');
        assert.deepEqual(new Set(Object.keys(found)), new Set(Object.keys(given)));
        for (const [name, { shape, data }] of Object.entries(given)) {
          assert.deepEqual(found[name]!.shape, shape);
          assert.equal(found[name]!.data.constructor, data.constructor);
          assert.deepEqual(Buffer.from(found[name]!.data.buffer), Buffer.from(data.buffer));
        }
      }),
      { seed: 1 },
    );
  });

  it('refuses a file that was cut short anywhere', () => {
    const whole = join(encodeSafetensors({ a: { shape: [2, 2], data: Int32Array.of(1, 2, 3, 4) } }));
    for (let length = 0; length < whole.length; length++)
      assert.throws(() => decodeSafetensors(whole.subarray(0, length), 'model.safetensors'), {
        code: 'ERR_RUN',
        message: /^model\.safetensors: /,
      });
  });

  it('refuses a type, a gap or an overlap by name', () => {
    refused(
      { a: { dtype: 'BF16', shape: [1], data_offsets: [0, 2] } },
      2,
      /`a`: expected a dtype of F32, I32, U8, got BF16/,
    );
    refused({ a: u8(0, 2), b: u8(3, 4) }, 4, /expected `b` at byte 2 of the data, got 3/);
    refused({ a: u8(0, 2), b: u8(1, 4) }, 4, /expected `b` at byte 2 of the data, got 1/);
    refused({ a: u8(0, 2) }, 5, /expected 2 bytes of data, got 5/);
    refused({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 4] } }, 4, /expected 8 bytes for F32 \[2\], got 4/);
  });
});
