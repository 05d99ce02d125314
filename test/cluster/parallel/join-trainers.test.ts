import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { freeAddresses, showAddress } from '../../../src/cluster/parallel/addresses.ts';
import { joinTrainers } from '../../../src/cluster/parallel/join-trainers.ts';
import { activeEngine, useEngine } from '../../../src/engine/use-engine.ts';
import { OptionsError, ParallelError } from '../../../src/errors.ts';
import type { Outcome, Task } from './trainer.ts';

const isTensorflow = process.env['TAUSTREAM_ENGINE'] === 'tensorflow';
const program = fileURLToPath(new URL('trainer.ts', import.meta.url));

/**
 * Runs one trainer in a process of its own; nothing when it was killed.
 * @param end kills it, whatever it does
 */
function run(task: Task, end?: AbortSignal): Promise<Outcome | undefined> {
  const child = spawn(process.execPath, ['--import', 'tsx', program, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  end?.addEventListener('abort', () => child.kill('SIGKILL'));
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return new Promise((resolve) => {
    child.on('close', () => resolve(text === '' ? undefined : (JSON.parse(text) as Outcome))); // trainer.ts wrote it
  });
}

const addressesOf = async (count: number) => (await freeAddresses(count)).map(showAddress).join(',');
/** Whether a trainer's step has the sum within, or between its halves. */
const ways = { grpc: 'within', shared: 'between' } as const;
const uniform = { scheme: 'uniform', seed: 3 } as const;

describe('joinTrainers', function () {
  this.timeout(60_000);

  describe('with TensorFlow', () => {
    before(function () {
      if (!isTensorflow) this.skip(); // gradients are summed by TensorFlow's own runtime: TAUSTREAM_ENGINE=tensorflow
    });

    for (const sum of ['grpc', 'shared'] as const)
      describe(`summing by ${sum}`, () => {
        it('gives two trainers the loss curve of one with twice the batch, and both the same parameters', async () => {
          const addresses = await addressesOf(2);
          const half = { ...uniform, steps: 50, presampleSize: 16, batchSize: 16 };
          const whole = { ...uniform, steps: 50, presampleSize: 32, batchSize: 32 };
          const [first, second, alone] = await Promise.all([
            run({ addresses, rank: 0, sum, fit: half }),
            run({ addresses, rank: 1, sum, fit: half }),
            run({ fit: whole }),
          ]);
          assert.deepEqual([first?.error, second?.error, alone?.error], [undefined, undefined, undefined]);
          assert.equal(first?.parameters, second?.parameters);
          assert.equal(alone?.records.length, 50);
          for (const [i, { loss }] of alone.records.entries()) {
            assert.ok(Math.abs(loss - first!.records[i]!.loss) < 1e-4, `step ${i + 1}`);
            assert.equal(first!.records[i]!.loss, second!.records[i]!.loss);
          }
          const together = first!.ids.flatMap((ids, step) => ids.flatMap((id, i) => [id, second!.ids[step]![i]!]));
          assert.deepEqual(together, alone.ids.flat(), 'each has every other sample');
          assert.equal(first?.samplesSeen, 1600);
          assert.deepEqual([first?.sums, second?.sums], [ways[sum], ways[sum]]);
        });

        it('offers every sample once an epoch when the trainers do not come out even', async () => {
          const addresses = await addressesOf(2);
          const fit = { ...uniform, epochs: 1, presampleSize: 16, batchSize: 16 };
          const [first, second] = await Promise.all(
            [0, 1].map((rank) => run({ addresses, rank, sum, fit, samples: 161 })),
          );
          assert.deepEqual([first?.error, second?.error], [undefined, undefined]);
          const ids = [first!, second!].flatMap((outcome) => outcome.ids.flat());
          assert.equal(ids.length, 161);
          assert.equal(new Set(ids).size, 161);
          assert.equal(first?.ids.length, 6); // 81 samples are six minibatches, and 80 five: one trainer goes along with the last
          assert.equal(second?.ids.length, 5);
          assert.equal(first.parameters, second.parameters);
          assert.equal(first.samplesSeen, 161);
        });

        it('opens and shuts the gate in all trainers at once, and ends the step of those whose peer is killed', async () => {
          const addresses = await addressesOf(2);
          const fit = {
            scheme: 'loss',
            tauThreshold: 1.05,
            seed: 3,
            seconds: 60,
            presampleSize: 24,
            batchSize: 8,
          } as const;
          const begun = performance.now();
          const [first, second] = await Promise.all([
            run({ addresses, rank: 0, sum, fit, silentSeconds: 5 }),
            run({ addresses, rank: 1, sum, fit, kill: { after: 40, signal: 'SIGKILL' } }),
          ]);
          assert.ok(performance.now() - begun < 40_000, 'long before the 60 s of the run');
          assert.equal(second, undefined);
          assert.equal(first?.error?.code, 'ERR_PARALLEL');
          assert.match(first.error.message, /rank 1 \(127\.0\.0\.1:\d+\) is lost: .*Go on from the last checkpoint/);
          assert.equal(first.error.facts?.['lost'], 1);
          assert.ok(first.records.some(({ phase }) => phase === 'importance'));
          assert.ok(first.records.some(({ phase }) => phase === 'uniform'));
        });

        it('names the trainer that falls silent, without its connection being closed', async () => {
          const addresses = await addressesOf(2);
          const fit = { ...uniform, seconds: 60, presampleSize: 8, batchSize: 8 };
          const end = new AbortController();
          const silent = run({ addresses, rank: 1, sum, fit, kill: { after: 20, signal: 'SIGSTOP' } }, end.signal);
          const left = await run({ addresses, rank: 0, sum, fit, silentSeconds: 3 });
          end.abort();
          await silent;
          assert.equal(left?.error?.code, 'ERR_PARALLEL');
          assert.match(left.error.message, /rank 1 \(127\.0\.0\.1:\d+\) is lost: nothing was heard of it for 3 s/);
        });

        it('compares parameters again after 100 steps', async () => {
          const addresses = await addressesOf(2);
          const fit = { ...uniform, steps: 150, presampleSize: 8, batchSize: 8 };
          const [first, second] = await Promise.all([
            run({ addresses, rank: 0, sum, fit }),
            run({ addresses, rank: 1, sum, fit, spoilAfter: 30 }),
          ]);
          for (const outcome of [first, second]) {
            assert.match(
              outcome?.error?.message ?? '',
              /the parameters of rank 0 in each before step 101, but rank 1 has/,
            );
            assert.equal(outcome?.records.length, 100);
          }
        });
      });

    it('names the trainer whose parameters differ, and the one whose job does', async () => {
      const fit = { ...uniform, steps: 5, presampleSize: 8, batchSize: 8 };
      const [one, other] = [await addressesOf(2), await addressesOf(2)];
      const [spoilt, , refused] = await Promise.all([
        run({ addresses: one, rank: 0, fit }),
        run({ addresses: one, rank: 1, fit, spoilAfter: 0 }),
        run({ addresses: other, rank: 1, fit, job: { options: 'b' } }),
        run({ addresses: other, rank: 0, fit, job: { options: 'a' }, joinSeconds: 6 }),
      ]);
      assert.match(spoilt?.error?.message ?? '', /expected the parameters of rank 0 .* but rank 1 has others/);
      assert.match(refused?.error?.message ?? '', /rank 0 refused it: expected the options of rank 0, a, got b/);
    });

    describe('when it cannot join', () => {
      before(() => useEngine('tensorflow'));

      it('says that a port is in use', async () => {
        const addresses = await addressesOf(2);
        const { host, port } = { host: '127.0.0.1', port: Number(addresses.split(',')[0]!.split(':')[1]) };
        const server = createServer().listen(port, host);
        await assert.rejects(joinTrainers({ addresses, rank: 0, joinSeconds: 2 }), {
          code: 'ERR_PARALLEL',
          message: new RegExp(`${host}:${port} is in use`),
        });
        server.close();
      });

      it('says that the host of rank 0 is unknown, and who did not come', async () => {
        const own = await addressesOf(1);
        await assert.rejects(joinTrainers({ addresses: `no-such-host.invalid:4700,${own}`, rank: 1, joinSeconds: 1 }), {
          code: 'ERR_PARALLEL',
          message: /rank 0 cannot be reached at no-such-host\.invalid:4700/,
        });
        await assert.rejects(joinTrainers({ addresses: `${own},127.0.0.1:4799`, rank: 0, joinSeconds: 1 }), {
          code: 'ERR_PARALLEL',
          message: /expected rank 1 \(127\.0\.0\.1:4799\) to come within 1 s/,
        });
      });
    });
  });

  it('says that a rank, an address or an option is wrong', async () => {
    const two = '127.0.0.1:4700,127.0.0.1:4710';
    await assert.rejects(joinTrainers({ addresses: two, rank: 2 }), /--rank: expected a number from 0 to 1/);
    await assert.rejects(joinTrainers({ addresses: '127.0.0.1', rank: 0 }), /expected `host:port`/);
    await assert.rejects(joinTrainers({ addresses: 'a:1,a:1', rank: 0 }), /each address once, got a:1 twice/);
    await assert.rejects(joinTrainers({ addresses: two, rank: -1 }), OptionsError);
  });

  it('asks for TensorFlow where another engine computes', async function () {
    if (isTensorflow) this.skip(); // it is active, and a process keeps it
    await useEngine('cpu');
    assert.equal(activeEngine()?.name, 'cpu');
    await assert.rejects(joinTrainers({ addresses: '127.0.0.1:4700,127.0.0.1:4710', rank: 0 }), (error: unknown) => {
      assert.ok(error instanceof ParallelError);
      assert.match(error.message, /expected the engine `tensorflow`.* got `cpu`/);
      return true;
    });
  });
});
