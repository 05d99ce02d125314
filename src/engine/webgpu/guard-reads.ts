import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { EngineError, firstLineOf } from '../../errors.ts';
import { unlessAborted } from '../../stream/unless-aborted.ts';

const scopes = ['validation', 'out-of-memory', 'internal'] as const;

/**
 * Makes what goes wrong on a GPU an error at the next read. WebGPU computes behind the program's back: a tensor that does
 * not fit, a refused shader or a lost device would otherwise show as zeros, or as a line on stderr.
 */
export function guardReads(backend: WebGPUBackend, device: GPUDevice): void {
  const gone = new AbortController(); // only reads look at it
  void device.lost.then(({ reason, message }) =>
    gone.abort(
      new EngineError(
        `webgpu: the GPU was lost (${reason}: ${message.trim()}). Call useEngine('webgpu') again and restore the last checkpoint.`,
        { reason },
      ),
    ),
  );
  openScopes(device);
  const read = backend.read.bind(backend);
  backend.read = async (dataId) => {
    const reading = read(dataId).then(
      (values) => ({ values }),
      (cause: unknown) => ({ cause }),
    );
    const result = await unlessAborted(reading, gone.signal);
    // Also where the read has failed: the scopes know why, and what they hold is not to be told at the next read.
    await unlessAborted(throwCaught(device), gone.signal);
    if ('values' in result) return result.values;
    throw new EngineError(
      `webgpu: a tensor could not be read (${firstLineOf(result.cause)}). Use the engine \`wasm\`, and report it.`,
      {},
      { cause: result.cause },
    );
  };
  const readSync = backend.readSync.bind(backend);
  backend.readSync = (dataId) => {
    const data = backend.tensorMap.get(dataId);
    // Small tensors may lie on the host still; what lies on the GPU can only be waited for.
    if (data.values !== undefined && data.values !== null) return readSync(dataId);
    throw new EngineError(
      'webgpu: a tensor on the GPU cannot be read synchronously. Use `await tensor.data()` in place of `dataSync()` and `arraySync()`.',
    );
  };
}

function openScopes(device: GPUDevice): void {
  for (const scope of scopes) device.pushErrorScope(scope);
}

/** Closes the error scopes, opens new ones, and throws the first error that they caught. */
async function throwCaught(device: GPUDevice): Promise<void> {
  const closing = scopes.map(() => device.popErrorScope());
  openScopes(device);
  const caught = (await Promise.all(closing)).find((error) => error !== null);
  if (!caught) return;
  const message = caught.message.split('\n')[0] ?? '';
  const isTooMuch = /memory|exceeds the max/i.test(message);
  throw new EngineError(
    isTooMuch
      ? `webgpu: the GPU has no room for a tensor (${message}). Use smaller batches, or the engine \`wasm\`.`
      : `webgpu: the GPU refused an operation (${message}). Use the engine \`wasm\`, and report it.`,
    { message: caught.message },
  );
}
