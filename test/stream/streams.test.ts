import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { gatherRows } from '../../src/stream/columns.ts';
import { Meter } from '../../src/stream/meter.ts';
import { createRng, deriveSeed, rngFrom, shuffle } from '../../src/stream/random.ts';
import { runPipeline } from '../../src/stream/run-pipeline.ts';
import type { Stage } from '../../src/stream/stage.ts';
import { asReadable, asTransform } from '../../src/stream/transform.ts';
import { createTurnstile } from '../../src/stream/turnstile.ts';
import { until } from '../../src/stream/until.ts';

async function* count(limit = Infinity) {
  for (let i = 0; i < limit; i++) yield i;
}
const double: Stage<number, number> = async function* (source) {
  for await (const item of source) yield 2 * item;
};
const collect = async <Item>(items: AsyncIterable<Item>) => {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
};

describe('runPipeline', () => {
  it("gives the sink's result when the source ends", async () => {
    assert.deepEqual(
      await runPipeline([asReadable(count(4), 1), asTransform(double, 1)], collect<number>),
      [0, 2, 4, 6],
    );
  });

  it("gives the sink's result when the sink stops early, and tears the streams down", async () => {
    const seen = { ended: false };
    const source = (async function* () {
      try {
        yield* count();
      } finally {
        seen.ended = true;
      }
    })();
    const first = await runPipeline<number, number>([asReadable(source, 1), asTransform(double, 1)], async (items) => {
      for await (const item of items) if (item >= 10) return item;
      return -1;
    });
    assert.equal(first, 10);
    for (let i = 0; i < 20 && !seen.ended; i++) await turn();
    assert.ok(seen.ended);
  });

  for (const place of ['source', 'stage', 'sink'] as const)
    it(`throws the error of the ${place}, not one of Node's`, async () => {
      const failing: Stage<number, number> = async function* (source) {
        for await (const item of source) {
          if (item === 3) throw new Error('mine');
          yield item;
        }
      };
      const pass: Stage<number, number> = async function* (source) {
        yield* source;
      };
      const running = runPipeline<number, void>(
        [
          asReadable(place === 'source' ? failing(count()) : count(), 1),
          asTransform(place === 'stage' ? failing : pass, 1),
        ],
        async (items) => {
          for await (const item of items) if (place === 'sink' && item === 3) throw new Error('mine');
        },
      );
      await assert.rejects(running, { message: 'mine' });
    });

  it("rejects with the signal's reason on abort", async () => {
    const reason = new Error('enough');
    const abort = new AbortController();
    const running = runPipeline<number, void>(
      [asReadable(count(), 1), asTransform(double, 1)],
      async (items) => {
        for await (const item of items) if (item === 10) abort.abort(reason);
      },
      abort.signal,
    );
    await assert.rejects(running, reason);
  });
});

describe('createTurnstile', () => {
  it('lets one fill in, and the next when the trainer has done with it', async () => {
    const turnstile = createTurnstile(0);
    await turnstile.enter();
    let entered = false;
    const second = turnstile.enter().then(() => (entered = true));
    await turn();
    assert.equal(entered, false);
    turnstile.stepped();
    turnstile.leave();
    await second;
    assert.equal(turnstile.version, 1);
  });

  it('lets `ahead` more in', async () => {
    const turnstile = createTurnstile(2);
    for (let i = 0; i < 3; i++) await turnstile.enter();
    const abort = new AbortController();
    const fourth = turnstile.enter(abort.signal);
    abort.abort();
    await assert.rejects(fourth, { name: 'AbortError' });
  });

  it('lets everybody through once it is open', async () => {
    const turnstile = createTurnstile(0);
    await turnstile.enter();
    const waiting = turnstile.enter();
    turnstile.open();
    await waiting;
    await turnstile.enter();
  });
});

describe('until', () => {
  it('ends on abort even while its source gives nothing', async () => {
    const stuck: AsyncIterable<number> = { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) };
    const abort = new AbortController();
    const collecting = collect(until(stuck, abort.signal));
    abort.abort();
    assert.deepEqual(await collecting, []);
  });

  it('passes everything on without a signal', async () => assert.deepEqual(await collect(until(count(3))), [0, 1, 2]));
});

describe('Meter', () => {
  it('counts items, and tells a starved stage from a stalled one', async () => {
    const meter = new Meter();
    const slow = (async function* () {
      for (let i = 0; i < 5; i++) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        yield i;
      }
    })();
    await collect(meter.count('starved', double)(slow));
    for await (const _ of meter.count('stalled', double)(count(5)))
      await new Promise((resolve) => setTimeout(resolve, 5));
    const [starved, stalled] = [meter.stages.get('starved')!, meter.stages.get('stalled')!];
    assert.deepEqual([starved.taken, starved.given, stalled.taken, stalled.given], [5, 5, 5, 5]);
    assert.ok(starved.waitedUpstreamMs > starved.waitedDownstreamMs);
    assert.ok(stalled.waitedDownstreamMs > stalled.waitedUpstreamMs);
  });

  it('counts no wait while a turnstile holds, for then the trainer works', async () => {
    const meter = new Meter();
    const turnstile = createTurnstile(0);
    const { enter } = meter.holding(turnstile);
    const filling: Stage<number, number> = async function* (source) {
      for await (const item of source) {
        await enter();
        yield item;
      }
    };
    let trainedMs = 0;
    const train = async (items: AsyncIterable<number>) => {
      for await (const _ of items) {
        const began = performance.now();
        await new Promise((resolve) => setTimeout(resolve, 20));
        trainedMs += performance.now() - began;
        turnstile.leave();
      }
    };
    // Node streams ask for the next item while the one before is trained on
    const filled = asReadable(meter.count('presample', filling)(count(6)), 1);
    await runPipeline([filled, asTransform(meter.count('importance', double), 1)], train);
    const { taken, waitedUpstreamMs } = meter.stages.get('importance')!;
    assert.equal(taken, 6);
    assert.ok(waitedUpstreamMs < trainedMs / 2, `${waitedUpstreamMs} ms of ${trainedMs}`);
  });
});

describe('createRng', () => {
  it('goes on from a saved state', () =>
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 0, max: 50 }), (seed, drawn) => {
        const rng = createRng(seed, 'test');
        for (let i = 0; i < drawn; i++) rng.uniform();
        const copy = rngFrom(rng.state());
        for (let i = 0; i < 10; i++) assert.equal(copy.uniform(), rng.uniform());
      }),
    ));

  it('gives each purpose its own stream', () => {
    assert.notEqual(deriveSeed(1, 'corpus'), deriveSeed(1, 'resample'));
    assert.notEqual(createRng(1, 'a').uniform(), createRng(2, 'a').uniform());
  });

  it('shuffles into every order alike', () => {
    const counts = new Map<string, number>();
    const rng = createRng(1, 'shuffle');
    for (let i = 0; i < 12_000; i++) {
      const order = shuffle(['a', 'b', 'c'], rng).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    // Chi-squared with 5 degrees of freedom passes 20.5 by chance once in 1,000 seeds.
    const chi = [...counts.values()].reduce((sum, n) => sum + (n - 2000) ** 2 / 2000, 0);
    assert.equal(counts.size, 6);
    assert.ok(chi < 20.5, `chi-squared ${chi}`);
  });
});

describe('gatherRows', () => {
  it('copies the picked rows, repeats included', () => {
    const column = { type: 'int32', shape: [3, 2], data: Int32Array.of(1, 2, 3, 4, 5, 6) } as const;
    const gathered = gatherRows(column, [2, 0, 2]);
    assert.deepEqual(
      [gathered.shape, [...gathered.data]],
      [
        [3, 2],
        [5, 6, 1, 2, 5, 6],
      ],
    );
  });
});
