import assert from 'node:assert/strict';
import { Admission } from '../../src/train/admission.ts';

async function* numbered(count: number) {
  for (let i = 0; i < count; i++) yield { id: `s:${i}` };
}

describe('Admission', () => {
  it('lets in what is wanted, and counts what was passed by as far as was taken', async () => {
    const admission = new Admission((id) => Number(id.slice(2)) % 3 === 2); // s:2, s:5, s:8, …
    const ids: string[] = [];
    for await (const { id } of admission.admitted(numbered(30))) ids.push(id);
    const passed = (taken: number, ...waiting: number[]) => admission.passed({ taken, waiting });
    assert.equal(ids.length, 10);
    assert.deepEqual(passed(0), { taken: 0, waiting: [] });
    assert.deepEqual(passed(1), { taken: 3, waiting: [] });
    // The next to come after four were taken is s:12, so that s:14 is the next that is wanted.
    assert.deepEqual(passed(4), { taken: 12, waiting: [] });
    assert.deepEqual(passed(8, 5, 7), { taken: 24, waiting: [17, 23] });
    assert.deepEqual(passed(8, 7), { taken: 24, waiting: [23] });
    assert.deepEqual(passed(10), { taken: 30, waiting: [] });
    assert.deepEqual(passed(10), { taken: 30, waiting: [] });
  });

  it('does not ask again about samples that were let in before and waited', async () => {
    const admission = new Admission((id) => id === 's:4');
    const ids: string[] = [];
    for await (const { id } of admission.admitted(numbered(6), 2)) ids.push(id);
    assert.deepEqual(ids, ['s:0', 's:1', 's:4']);
    assert.deepEqual(admission.passed({ taken: 3, waiting: [1] }), { taken: 5, waiting: [1] });
  });

  it('passes everything on where everything is wanted', async () => {
    const admission = new Admission(() => true);
    let seen = 0;
    for await (const _ of admission.admitted(numbered(7))) seen += 1;
    assert.deepEqual([seen, admission.passed({ taken: 5, waiting: [] }).taken], [7, 5]);
  });
});
