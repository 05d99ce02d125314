/* One of several processes that sum through shared memory: takes what to do as JSON, and prints what came of it. */
import { openSharedFile } from '../../../../src/cluster/parallel/shared/shared-file.ts';
import { SharedSum } from '../../../../src/cluster/parallel/shared/shared-sum.ts';
import { numbersOf, type SummingTask } from './summing-task.ts';

const task = JSON.parse(process.argv[2]!) as SummingTask; // written by the test
const { memory, rank, world, count, sums, stepSeconds } = task;
const shared = new SharedSum({ fd: openSharedFile(memory)!, rank, world, stepSeconds });
const all: number[][] = [];
try {
  for (let i = 0; i < sums; i++) all.push([...shared.sum(count, (own) => own.set(numbersOf(rank, i, count)))]);
  process.stdout.write(JSON.stringify({ sums: all }));
} catch (error) {
  process.stdout.write(JSON.stringify({ sums: all, error: (error as Error).message }));
}
shared.close();
