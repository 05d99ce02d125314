import assert from 'node:assert/strict';
import { HistoryError, OptionsError, ScoreError } from '../../src/errors.ts';
import { ScoreTable } from '../../src/importance/score-table.ts';
import { createRng } from '../../src/stream/random.ts';

describe('ScoreTable', () => {
  it('remembers, by a plain map, what thousands of updates left', () => {
    const table = new ScoreTable();
    const plain = new Map<string, number>();
    const rng = createRng(1, 'table');
    for (let i = 0; i < 5000; i++) {
      const [id, score] = [`s:${rng.integer(3000)}`, Math.fround(rng.uniform())];
      table.update([id], [score]);
      plain.set(id, score);
    }
    assert.equal(table.size, plain.size);
    for (const [id, score] of plain) assert.equal(table.get(id), score);
    const values = [...plain.values()];
    assert.ok(Math.abs(table.mean - values.reduce((sum, value) => sum + value, 0) / values.length) < 1e-9);
    assert.equal(table.largest, Math.max(...values));
    assert.equal(table.get('unknown'), undefined);
  });

  it('knows the largest of its scores, whatever falls and rises', () => {
    const table = new ScoreTable();
    const rng = createRng(4, 'largest');
    const plain = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const id = `s:${rng.integer(3000)}`;
      const isToFall = i > 0 && i % 100 === 5; // the largest falls, too
      const chosen = isToFall ? [...plain].toSorted(([, a], [, b]) => b - a)[0]![0] : id;
      const score = Math.fround(rng.uniform());
      plain.set(chosen, score);
      table.update([chosen], [score]);
      if (i % 100 < 10) assert.equal(table.largest, Math.max(...plain.values()));
    }
    const copy = new ScoreTable();
    copy.restore(table.state());
    assert.equal(copy.largest, table.largest);
    assert.equal(new ScoreTable().largest, 0);
  });

  it('averages with its memory', () => {
    const table = new ScoreTable({ memory: 0.5 });
    for (const score of [4, 0, 1]) table.update(['a'], [score]);
    assert.equal(table.get('a'), 1.5);
  });

  it('keeps the last scores, the newest first', () => {
    const table = new ScoreTable({ depth: 3 });
    for (const score of [1, 2, 3, 4]) table.update(['a', 'b'], [score, -score]);
    assert.deepEqual([...table.history('a')], [4, 3, 2]);
    assert.deepEqual([...table.history('b')], [-4, -3, -2]);
    assert.deepEqual([...table.history('c')], [0, 0, 0]);
    assert.equal(table.mean, 0);
  });

  it('goes on from a saved state', () => {
    const table = new ScoreTable({ depth: 2 });
    table.update(['a', 'b'], [1, 2]);
    table.update(['a'], [3]);
    const other = new ScoreTable({ depth: 2 });
    other.restore(structuredClone(table.state()));
    assert.deepEqual([...other.history('a')], [3, 1]);
    assert.equal(other.mean, table.mean);
    other.update(['c'], [5]);
    assert.equal(other.size, 3);
  });

  it('remembers no more than its limit when it is told to forget', () => {
    const table = new ScoreTable({ historyLimit: 2, whenFull: 'forget' });
    table.update(['a', 'b', 'c', 'a'], [1, 2, 3, 4]);
    assert.deepEqual([table.size, table.get('a'), table.get('c'), table.mean], [2, 4, undefined, 3]);
  });

  it('refuses to outgrow its limit, to take more ids than samples, and scores that are no numbers', () => {
    const full = new ScoreTable({ historyLimit: 1 });
    full.update(['a'], [1]);
    full.update(['a'], [2]);
    assert.throws(() => full.update(['b'], [1]), HistoryError);
    const known = new ScoreTable({ expected: 1 });
    known.update(['a'], [1]);
    assert.throws(() => known.update(['b'], [1]), /Ids must be the same in every epoch/);
    assert.throws(() => known.update(['a'], [Number.NaN]), ScoreError);
    assert.throws(() => new ScoreTable({ memory: 1 }), OptionsError);
  });
});
