import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Unpackr } from 'msgpackr';
import { encodeFrame, FrameReader, frameKinds } from '../../src/consumer/frames.ts';

const limits = { headerBytes: 1 << 16, payloadBytes: 1 << 20 };
const whole = (chunks: readonly Uint8Array[]) => Buffer.concat(chunks);
const kind = fc.constantFrom(...Object.values(frameKinds));
const header = fc.dictionary(
  fc.string({ maxLength: 40 }),
  fc.oneof(fc.integer(), fc.string(), fc.array(fc.integer())),
  {
    noNullPrototype: true,
  },
);

describe('encodeFrame', () => {
  it('lays its bytes as docs/frames.md says', () => {
    const bytes = whole(encodeFrame(frameKinds.done, { batch: 7 }, [Uint8Array.of(1, 2), Uint8Array.of(3)]));
    // array of 4, version, kind, bin 32 of 8 bytes; map of 1: string of 5, 7; bin 32 of 3 bytes
    assert.equal(bytes.toString('hex'), ['940111c600000008', '81a5626174636807', 'c600000003', '010203'].join(''));
  });

  it('is plain msgpack for any other reader', () => {
    const bytes = whole([...encodeFrame(1, { a: [1] }), ...encodeFrame(2, { b: 'x' }, [Uint8Array.of(9)])]);
    const plain = new Unpackr({ useRecords: false });
    const [first, second] = plain.unpackMultiple(bytes) as [unknown[], unknown[]];
    assert.deepEqual([first[0], first[1], plain.unpack(first[2] as Buffer)], [1, 1, { a: [1] }]);
    assert.deepEqual([second[1], [...(second[3] as Buffer)]], [2, [9]]);
  });
});

describe('FrameReader', () => {
  it('reads back what was encoded, however it is cut', () => {
    const frame = fc.record({ kind, header, payload: fc.uint8Array({ maxLength: 300 }) }, { noNullPrototype: true });
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 5 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 90 })),
        (frames, cuts) => {
          const bytes = whole(frames.flatMap((one) => encodeFrame(one.kind, one.header, [one.payload])));
          const reader = new FrameReader(limits);
          const got = [];
          for (let at = 0; at < bytes.length;) {
            const size = cuts.next().value as number;
            got.push(...reader.push(bytes.subarray(at, at + size)));
            at += size;
          }
          assert.deepEqual(got, frames);
          assert.equal(reader.pending, 0);
        },
      ),
    );
  });

  it('answers any bytes with frames or a typed error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (noise, at) => {
        const good = whole(encodeFrame(2, { ids: ['a'] }, [new Uint8Array(64)]));
        good.set(noise.subarray(0, good.length - Math.min(at, good.length)), Math.min(at, good.length));
        try {
          new FrameReader(limits).push(good);
        } catch (error) {
          assert.equal((error as { code: string }).code, 'ERR_CONSUMER');
        }
      }),
      { numRuns: 1000 },
    );
  });

  for (const [what, bytes, message] of [
    ['text', Buffer.from('GET / HTTP/1.1\r\n'), /expected a frame \(0x94\), got the byte 0x47/],
    ['another version', Buffer.from([0x94, 9]), /expected version 1 of the protocol, got the byte 0x09/],
    ['a header of 4 GiB', Buffer.from('940101c6ffffffff', 'hex'), /header of at most 65536 bytes, got 4294967295/],
    ['a payload of 4 GiB', Buffer.from('940101c60000000180c6ffffffff', 'hex'), /payload of at most 1048576 bytes/],
    [
      'a header that is no map',
      Buffer.from('940101c60000000107c600000000', 'hex'),
      /msgpack map as header, got number/,
    ],
    ['a header that is no msgpack', Buffer.from('940101c600000001c1c600000000', 'hex'), /msgpack map as header/],
  ] as const)
    it(`refuses ${what}`, () => {
      assert.throws(() => new FrameReader(limits).push(bytes), { code: 'ERR_CONSUMER', message });
    });
});
