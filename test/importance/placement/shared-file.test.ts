import assert from 'node:assert/strict';
import { readdirSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import fc from 'fast-check';
import { PlacementError } from '../../../src/errors.ts';
import { readRegion, SharedFile } from '../../../src/importance/placement/shared-file.ts';

const leftOver = () =>
  ['/dev/shm', tmpdir()].flatMap((folder) => {
    try {
      return readdirSync(folder).filter((name) => name.startsWith(`taustream-${process.pid}-`));
    } catch {
      return []; // no such folder on this system
    }
  });

describe('SharedFile', () => {
  it('gives back what was written, whatever was written and given back between', () => {
    const sizes = fc.array(fc.tuple(fc.nat(300), fc.boolean()), { maxLength: 30 });
    fc.assert(
      fc.property(sizes, (writes) => {
        const file = new SharedFile();
        try {
          const kept = [];
          for (const [i, [size, isKept]] of writes.entries()) {
            const parts = [new Float32Array(size).fill(i + 0.5), new Uint8Array(size % 7).fill(i)];
            const region = file.write(parts);
            if (isKept) kept.push({ region, bytes: Buffer.concat(parts.map(({ buffer }) => Buffer.from(buffer))) });
            else file.giveBack(region);
          }
          for (const { region, bytes } of kept) assert.deepEqual(Buffer.from(readRegion(file.fd, region)), bytes);
        } finally {
          file.close();
        }
      }),
    );
  });

  it('uses again what was given back, so that it does not grow', () => {
    const file = new SharedFile();
    const part = [new Float32Array(100)];
    const [first, second] = [file.write(part), file.write(part)];
    const { size } = file;
    for (let i = 0; i < 20; i++) {
      file.giveBack(i % 2 === 0 ? first : second);
      const again = file.write(part);
      assert.equal(again.offset, i % 2 === 0 ? first.offset : second.offset);
    }
    assert.equal(file.size, size);
    file.close();
  });

  it('has no name, so that nothing is left of it', () => {
    const file = new SharedFile();
    file.write([new Uint8Array(10)]);
    assert.deepEqual(leftOver(), []);
    file.close();
  });

  it('refuses a region that was written anew since', () => {
    const file = new SharedFile();
    const old = file.write([Float32Array.of(1, 2)]);
    file.giveBack(old);
    const fresh = file.write([Float32Array.of(3, 4)]);
    assert.equal(fresh.offset, old.offset);
    assert.throws(() => readRegion(file.fd, old), PlacementError);
    assert.deepEqual(new Float32Array(readRegion(file.fd, fresh).buffer), Float32Array.of(3, 4));
    file.close();
  });

  it('refuses a region that is half written', () => {
    const file = new SharedFile();
    const region = file.write([Float32Array.of(1, 2)]);
    writeSync(file.fd, Float64Array.of(0), 0, 8, region.offset); // as a writer leaves it until it is done
    assert.throws(() => readRegion(file.fd, region), /stamped 1, got others/);
    file.close();
  });

  it('refuses a region behind the end of the file', () => {
    const file = new SharedFile();
    const region = file.write([new Uint8Array(16)]);
    assert.throws(() => readRegion(file.fd, { ...region, bytes: 17 }), PlacementError);
    assert.throws(() => readRegion(file.fd, { ...region, offset: 1000 }), PlacementError);
    file.close();
  });

  it('says what to do when it cannot be written', () => {
    const file = new SharedFile();
    file.close();
    assert.throws(() => file.write([new Uint8Array(1)]), {
      code: 'ERR_PLACEMENT',
      message: /cannot write 1 bytes of shared memory.*Make room/,
    });
  });
});
