import assert from 'node:assert/strict';
import fc from 'fast-check';
import { encodeConfig } from '../../../../src/engine/tensorflow/binding/context.ts';
import { Double, encodeMessage, readMessage } from '../../../../src/engine/tensorflow/binding/protobuf.ts';

describe('encodeMessage', () => {
  it('writes the bytes that the format’s documentation shows', () => {
    assert.equal(Buffer.from(encodeMessage([[1, 150]])).toString('hex'), '089601');
    assert.equal(Buffer.from(encodeMessage([[2, 'testing']])).toString('hex'), '120774657374696e67');
    assert.equal(Buffer.from(encodeMessage([[3, encodeMessage([[1, 150]])]])).toString('hex'), '1a03089601');
    assert.equal(Buffer.from(encodeMessage([[1, -1]])).toString('hex'), '08ffffffffffffffffff01');
    assert.equal(Buffer.from(encodeMessage([[1, new Double(0.5)]])).toString('hex'), '09000000000000e03f');
  });
});

describe('readMessage', () => {
  const field = fc.tuple(fc.integer({ min: 1, max: 1000 }), fc.oneof(fc.nat(), fc.string(), fc.uint8Array()));

  it('reads back what was written', () => {
    fc.assert(
      fc.property(fc.array(field), (fields) => {
        const read = [...readMessage(encodeMessage(fields))].map(({ number, integer, bytes }) => [
          number,
          integer,
          Buffer.from(bytes),
        ]);
        const written = fields.map(([number, value]) =>
          typeof value === 'number' ? [number, value, Buffer.alloc(0)] : [number, 0, Buffer.from(value)],
        );
        assert.deepEqual(read, written);
      }),
      { seed: 1 },
    );
  });

  it('refuses a message that was cut short', () => {
    assert.throws(() => [...readMessage(Uint8Array.of(0x12, 7, 1))], RangeError);
    assert.throws(() => [...readMessage(Uint8Array.of(0x08, 0x96))], RangeError);
  });
});

describe('encodeConfig', () => {
  it('writes threads and memory growth where ConfigProto has them', () => {
    const hex = Buffer.from(encodeConfig({ intraOpThreads: 1, interOpThreads: 2 })).toString('hex');
    assert.equal(hex, '10012802320220013801');
  });
  it('hides the GPUs for the device `cpu`, and shows one alone', () => {
    assert.match(Buffer.from(encodeConfig({ device: 'cpu' })).toString('hex'), /^0a070a034750551000/u); // GPU: 0
    assert.match(Buffer.from(encodeConfig({ device: 'gpu:1' })).toString('hex'), /2a0131/u); // '1'
  });
});
