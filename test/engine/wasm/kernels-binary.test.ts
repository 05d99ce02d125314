import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { useEngine } from '../../../src/engine/use-engine.ts';
import { heapOf, kernelBuild } from '../../../src/engine/wasm/heap.ts';

describe('kernels-binary', () => {
  it('is what the sources in assembly/ compile to, as are the kernels of resizing', async () => {
    // A process of its own: the compiler is large, and loads slowly under this one's TypeScript loader.
    const script = fileURLToPath(new URL('../../../src/build-kernels.mjs', import.meta.url));
    await promisify(execFile)(process.execPath, [script, '--check']);
  }).timeout(60_000);

  it('has every kernel that the heap names, and no other', async () => {
    const declared = await readFile(new URL('../../../src/engine/wasm/heap.ts', import.meta.url), 'utf8');
    const union = /type KernelName =([^;]*);/.exec(declared)![1]!;
    await useEngine('wasm');
    const names = Object.keys(heapOf(tf.backend()).kernels);
    assert.deepEqual(names.toSorted(), Array.from(union.matchAll(/'(\w+)'/g), ([, name]) => name!).toSorted());
  });

  it('is relaxed SIMD where the machine has it, plain SIMD elsewhere', () => {
    const [major] = process.versions.node.split('.').map(Number);
    assert.equal(kernelBuild()?.name, major! >= 22 ? 'relaxed SIMD' : 'SIMD');
  });
});
