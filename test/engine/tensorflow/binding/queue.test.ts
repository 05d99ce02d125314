import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describeWithTensorflow } from '../with-tensorflow.ts';

/**
 * Queues an operation that waits for a value, and hands it the value afterwards: whoever waited for it when queueing it
 * would wait for ever. So it runs in a process of its own, which can be killed.
 */
const prepare = `
  import * as tf from '@tensorflow/tfjs';
  import { loadTensorflow } from './src/engine/tensorflow/index.ts';
  import { dataTypes } from './src/engine/tensorflow/binding/data-types.ts';
  const { engineBinding: binding } = (await loadTensorflow()).backend;
  const attributes = [
    { name: 'dtypes', value: [dataTypes.float32] },
    { name: 'shared_name', value: 'handed over' },
  ];
  const ends = [];
  const outcome = (handles) => {
    const id = binding.handles.add(handles[0]);
    return { id, keep: () => ends.push('kept'), undo: () => ends.push('undone') };
  };
  const queueTaking = () => {
    let made;
    const take = () => binding.ops.execute('Unstage', attributes, [], 1);
    binding.context.queue.run(take, (handles) => (made = outcome(handles)));
    return made.id;
  };
  const give = (value) => {
    const given = binding.createTensor([2], dataTypes.float32, Float32Array.of(value, 5));
    binding.executeOp('Stage', attributes, [given], 0);
  };
  const { queue } = binding.context;
`;

const reads = `
  ${prepare}
  for (const value of [3, 4]) {
    const id = queueTaking();
    give(value);
    ends.push([...binding.tensorDataSync(id)].join());
  }
  queue.settle();
  console.log(ends.join(' '));
`;

/** The value is handed over by a timer, which nobody serves where the thread itself waits. */
const waits = `
  ${prepare}
  await queue.computed(); // nothing is under way
  for (const value of [3, 4]) {
    const id = queueTaking();
    setTimeout(give, 1, value);
    await Promise.all([queue.computed(), queue.computed()]);
    ends.push([...binding.tensorDataSync(id)].join());
  }
  queue.settle();
  console.log(ends.join(' '));
`;

async function printedBy(script: string): Promise<string> {
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000, killSignal: 'SIGKILL' });
  return stdout.trim();
}

describeWithTensorflow('Queue', () => {
  it('comes back while an operation is under way, ends it at the next one, and reads wait for it', async () => {
    assert.equal(await printedBy(reads), '3,5 kept 4,5 kept');
  }).timeout(90_000);

  it('lets timers be served until an operation has ended', async () => {
    assert.equal(await printedBy(waits), '3,5 kept 4,5 kept');
  }).timeout(90_000);
});
