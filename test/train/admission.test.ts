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
    assert.equal(ids.length, 10);
    assert.equal(admission.passed(0), 0);
    assert.equal(admission.passed(1), 3);
    // The next to come after four were taken is s:12, so that s:14 is the next that is wanted.
    assert.equal(admission.passed(4), 12);
    assert.equal(admission.passed(10), 30);
  });

  it('decides no sample twice, though an earlier run had looked further than it trained', async () => {
    const isWanted = (id: string) => Number(id.slice(2)) % 3 === 2;
    const before = new Admission(isWanted);
    const ahead = before.admitted(numbered(30));
    for (let i = 0; i < 6; i++) await ahead.next(); // up to s:17
    const passed = before.passed(2);
    assert.equal(passed, 6);
    const asked: string[] = [];
    const after = new Admission((id) => (asked.push(id), isWanted(id)), before.state());
    const ids: string[] = [];
    async function* rest() {
      for (let i = passed; i < 30; i++) yield { id: `s:${i}` };
    }
    for await (const { id } of after.admitted(rest())) ids.push(id);
    assert.deepEqual(ids, ['s:8', 's:11', 's:14', 's:17', 's:20', 's:23', 's:26', 's:29']);
    assert.equal(asked[0], 's:18');
    assert.equal(after.passed(8), 24);
  });

  it('passes everything on where everything is wanted', async () => {
    const admission = new Admission(() => true);
    let seen = 0;
    for await (const _ of admission.admitted(numbered(7))) seen += 1;
    assert.deepEqual([seen, admission.passed(5)], [7, 5]);
  });
});
