import assert from 'node:assert/strict';
import { connect } from '@nats-io/transport-node';
import { meetTrainers, type MeetOptions } from '../../../src/cluster/parallel/meet-trainers.ts';
import { TestServer } from '../test-server.ts';

describe('meetTrainers', function () {
  this.timeout(60_000);
  let server: TestServer;
  before(async () => {
    server = await TestServer.start();
  });
  after(() => server.stop());

  const meet = (run: string, options: Partial<MeetOptions> = {}) =>
    meetTrainers({ url: server.url, run, count: 3, joinSeconds: 20, ...options });
  const problems = async (meetings: Promise<unknown>[]): Promise<string[]> =>
    (await Promise.allSettled(meetings)).map((end) =>
      end.status === 'rejected' && end.reason instanceof Error ? end.reason.message : 'met',
    );

  it('gives all the same addresses, each its own rank, and those who ask for a rank that one', async () => {
    const met = await Promise.all([meet('three'), meet('three', { rank: 0 }), meet('three')]);
    const [first] = met;
    const addresses = first.addresses.split(',');
    assert.equal(new Set(addresses).size, 3);
    for (const address of addresses) assert.match(address, /^127\.0\.0\.1:\d+$/);
    assert.deepEqual(new Set(met.map((one) => one.addresses)), new Set([first.addresses]));
    assert.deepEqual(
      met.map(({ rank }) => rank).toSorted((a, b) => a - b),
      [0, 1, 2],
    );
    assert.equal(met[1].rank, 0);
  });

  it('keeps runs apart', async () => {
    const met = await Promise.all(['a', 'b', 'a', 'b'].map((run) => meet(run, { count: 2 })));
    assert.equal(met[0]!.addresses, met[2]!.addresses);
    assert.equal(met[1]!.addresses, met[3]!.addresses);
    assert.notEqual(met[0]!.addresses, met[1]!.addresses);
  });

  it('says who is there when too few come', async () => {
    const [one, other] = await problems([meet('few', { joinSeconds: 1.5 }), meet('few', { joinSeconds: 1.5 })]);
    assert.match(
      one!,
      /expected 3 trainers within 1\.5 s, got 2: 127\.0\.0\.1:\d+, 127\.0\.0\.1:\d+\. Start the others/,
    );
    assert.match(other!, /expected 3 trainers within 1\.5 s/);
  });

  it('refuses different numbers, and the same rank twice', async () => {
    const differing = await problems([
      meet('numbers', { count: 2, joinSeconds: 2 }),
      meet('numbers', { count: 4, joinSeconds: 2 }),
    ]);
    assert.ok(
      differing.some((message) => /expected (2|4) trainers as .* does, got one at .* that expects (2|4)/.test(message)),
    );
    assert.ok(!differing.includes('met'));
    const twice = await problems([0, 0].map((rank) => meet('twice', { count: 2, rank, joinSeconds: 2 })));
    assert.ok(twice.some((message) => /expected each rank once, got 0 of 127/.test(message)));
    assert.ok(!twice.includes('met'));
    await assert.rejects(meet('rank', { rank: 3 }), {
      code: 'ERR_PARALLEL',
      message: /expected one from 0 to 2, .* got 3/,
    });
  });

  it('refuses a trainer that others cannot reach', async () => {
    const ends = await problems([
      meet('near', { count: 2, joinSeconds: 2 }),
      meet('near', { count: 2, joinSeconds: 2, host: 'localhost' }),
    ]);
    assert.ok(ends.some((message) => /got 127\.0\.0\.1:\d+ of a machine that has the server itself/.test(message)));
  });

  it('says what is wrong with what it hears, with the server, and with the login', async () => {
    const stranger = await connect({ servers: `127.0.0.1:${server.port}`, token: 'secret' });
    const timer = setInterval(() => stranger.publish('tau.strange.trainers', 'nonsense'), 50);
    await assert.rejects(meet('strange'), { code: 'ERR_CLUSTER' });
    clearInterval(timer);
    await stranger.close();
    await assert.rejects(meet('gone', { url: 'nats://127.0.0.1:1' }), {
      code: 'ERR_PARALLEL',
      message: /127\.0\.0\.1:1: expected a NATS server/,
    });
    await assert.rejects(meet('login', { url: `nats://wrong@127.0.0.1:${server.port}` }), {
      code: 'ERR_CLUSTER',
      message: /a login that the server knows/,
    });
  });
});
