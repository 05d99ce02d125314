import assert from 'node:assert/strict';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { EngineError } from '../../../src/errors.ts';
import { guardReads } from '../../../src/engine/webgpu/guard-reads.ts';

/** A device whose error scopes catch what is given, and a backend whose reads fail with `cause`. */
function guarded(cause: Error, caught: readonly (string | null)[]) {
  let open = 0;
  const errors = caught.values();
  let lose: (lost: { reason: string; message: string }) => void = () => undefined;
  const device = {
    lost: new Promise((resolve) => (lose = resolve)),
    pushErrorScope: () => void open++,
    popErrorScope: () => {
      open--;
      const message = errors.next().value ?? null;
      return Promise.resolve(message === null ? null : { message });
    },
  };
  const backend = { read: () => Promise.reject(cause), readSync: () => new Float32Array(), tensorMap: new Map() };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the parts that are used
  guardReads(backend as unknown as WebGPUBackend, device as unknown as GPUDevice);
  return {
    read: () => backend.read(),
    open: () => open,
    lose: (message: string) => lose({ reason: 'unknown', message }),
  };
}

const failure = new DOMException('Buffer was destroyed', 'AbortError');
const isEngineError = (pattern: RegExp, cause?: Error) => (error: unknown) => {
  assert.ok(error instanceof EngineError, String(error));
  assert.match(error.message, pattern);
  assert.equal(error.cause, cause);
  return true;
};

describe('guardReads, where the read itself fails', () => {
  it('tells what the error scopes have caught, and opens them anew', async () => {
    const { read, open } = guarded(failure, [null, 'out of memory', null]);
    assert.equal(open(), 3);
    await assert.rejects(read(), isEngineError(/no room for a tensor \(out of memory\)/));
    assert.equal(open(), 3);
  });

  it('tells of a lost GPU', async () => {
    const { read, lose } = guarded(failure, []);
    const reading = read();
    lose('driver crashed');
    await assert.rejects(reading, isEngineError(/the GPU was lost \(unknown: driver crashed\)/));
  });

  it('tells of the failure itself where nothing else is known', async () => {
    const { read } = guarded(failure, []);
    await assert.rejects(read(), isEngineError(/could not be read \(Buffer was destroyed\)/, failure));
  });
});
