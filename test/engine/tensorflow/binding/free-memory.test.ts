import assert from 'node:assert/strict';
import koffi from 'koffi';
import { returnFreeMemory } from '../../../../src/engine/tensorflow/binding/library.ts';

const isGlibc = 'glibcVersionRuntime' in ((process.report.getReport() as { header?: object }).header ?? {});

describe('returnFreeMemory', () => {
  it('gives back what lies free below a block in use', function () {
    if (!isGlibc) {
      assert.equal(returnFreeMemory(), false);
      this.skip();
    }
    const c = koffi.load(null);
    const [allocate, set, free] = [
      c.func('malloc', 'uintptr_t', ['size_t']),
      c.func('memset', 'uintptr_t', ['uintptr_t', 'int', 'size_t']),
      c.func('free', 'void', ['uintptr_t']),
    ];
    const [count, bytes] = [2000, 65_536]; // blocks too small for pages of their own
    const blocks = Array.from({ length: count }, (): unknown => allocate(bytes));
    for (const block of blocks) set(block, 1, bytes);
    const last: unknown = blocks.pop();
    for (const block of blocks) free(block);
    const before = process.memoryUsage.rss();
    assert.equal(returnFreeMemory(), true);
    const returned = before - process.memoryUsage.rss();
    free(last);
    assert.ok(returned > (count * bytes) / 2, `${returned} bytes returned`);
  });
});
