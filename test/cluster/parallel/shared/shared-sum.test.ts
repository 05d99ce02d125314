import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, existsSync, fstatSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { canShareMemory } from '../../../../src/cluster/parallel/shared/futex.ts';
import {
  forgetSharedFile,
  makeSharedFile,
  openSharedFile,
  reserve,
} from '../../../../src/cluster/parallel/shared/shared-file.ts';
import { BrokenSumError, headerBytes, SharedSum } from '../../../../src/cluster/parallel/shared/shared-sum.ts';
import { numbersOf, type SummingTask } from './summing-task.ts';

const program = fileURLToPath(new URL('summing.ts', import.meta.url));

interface Outcome {
  readonly sums: number[][];
  readonly error?: string;
}

/** Runs processes that sum, each with its own number of numbers. */
async function sumOf(counts: readonly number[], { sums = 3, stepSeconds = 60 } = {}): Promise<Outcome[]> {
  const world = counts.length;
  const made = makeSharedFile(headerBytes(world))!;
  const memory = { name: made.name, token: made.token };
  try {
    return await Promise.all(counts.map((count, rank) => run({ rank, world, count, sums, stepSeconds, memory })));
  } finally {
    forgetSharedFile(made);
    closeSync(made.fd);
  }
}

const run = (task: SummingTask): Promise<Outcome> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', program, JSON.stringify(task)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.on(
      'close',
      (code) => (text === '' ? reject(new Error(`ended with ${code}`)) : resolve(JSON.parse(text) as Outcome)), // summing.ts wrote it
    );
  });

describe('SharedSum', function () {
  this.timeout(60_000);
  before(function () {
    if (!canShareMemory()) this.skip();
  });

  it('gives all the same bits: the numbers added in float32, rank by rank', async () => {
    const count = 1003; // no multiple of the ranks, nor of a line
    const outcomes = await sumOf([count, count, count]);
    for (const { sums, error } of outcomes) {
      assert.equal(error, undefined);
      assert.deepEqual(sums, outcomes[0]!.sums);
    }
    for (const [i, sum] of outcomes[0]!.sums.entries()) {
      const [first, second, third] = [0, 1, 2].map((rank) => numbersOf(rank, i, count));
      const expected = [...first!].map((x, j) => Math.fround(Math.fround(x + second![j]!) + third![j]!));
      assert.deepEqual(sum, expected, `sum ${i + 1}`);
    }
  });

  it('names the trainer that has another number of numbers', async () => {
    const outcomes = await sumOf([10, 11]);
    assert.match(outcomes[0]!.error!, /expected 10 numbers of rank 1, got 11\. Start all from the same file/);
    assert.match(outcomes[1]!.error!, /expected 11 numbers of rank 0, got 10/);
  });

  it('ends when it is told to, and when its time is over, though nobody comes', () => {
    const open = (stepSeconds: number) => {
      const made = makeSharedFile(headerBytes(2))!;
      forgetSharedFile(made);
      return new SharedSum({ fd: made.fd, rank: 0, world: 2, stepSeconds });
    };
    const told = open(60);
    Atomics.store(told.ended, 0, 1);
    assert.throws(() => told.sum(4, () => {}), BrokenSumError);
    told.close();
    const late = open(0.1);
    assert.throws(() => late.sum(4, () => {}), /Rank 1 did not take part in a sum for 0\.1 s/);
    late.close();
  });

  it('sums one trainer alone, and refuses another number of numbers later', () => {
    const made = makeSharedFile(headerBytes(1))!;
    forgetSharedFile(made);
    const alone = new SharedSum({ fd: made.fd, rank: 0, world: 1, stepSeconds: 1 });
    assert.deepEqual([...alone.sum(3, (own) => own.set([1, 2, 3]))], [1, 2, 3]);
    assert.throws(() => alone.sum(4, () => {}), /expected a sum of 3 numbers as before, got 4/);
    alone.close();
    alone.close();
    assert.throws(() => alone.sum(3, () => {}), /expected a sum before they were left/);
  });
});

describe('makeSharedFile', () => {
  before(function () {
    if (!canShareMemory()) this.skip();
  });

  it('makes a file that is known by its token, and gone when it is forgotten', () => {
    const made = makeSharedFile(256)!;
    const fd = openSharedFile(made);
    assert.notEqual(fd, undefined);
    assert.equal(openSharedFile({ ...made, token: made.token.replaceAll(/\w/gu, 'x') }), undefined);
    assert.equal(openSharedFile({ ...made, name: '../etc/passwd' }), undefined);
    forgetSharedFile(made);
    assert.equal(openSharedFile(made), undefined);
    for (const one of [fd!, made.fd]) closeSync(one);
  });

  it('says that there is no room, before anything is written', function () {
    if (!existsSync('/dev/full')) this.skip();
    const fd = openSync('/dev/full', 'r+');
    assert.throws(() => reserve(fd, 0, 4096), { code: 'ERR_PARALLEL', message: /room for 4096 bytes .* `--sum grpc`/ });
    closeSync(fd);
  });

  it('reserves room of any size', () => {
    const made = makeSharedFile(64)!;
    forgetSharedFile(made);
    reserve(made.fd, 64, 3 * 2 ** 20 + 1);
    assert.equal(fstatSync(made.fd).size, 3 * 2 ** 20 + 1);
    closeSync(made.fd);
  });
});
