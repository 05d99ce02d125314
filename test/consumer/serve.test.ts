import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { encodeFrame, FrameReader, frameKinds, type Frame, type FrameKind } from '../../src/consumer/frames.ts';
import { serveMinibatches, type ServeOptions } from '../../src/consumer/serve.ts';
import { clusters } from '../train/toy.ts';

const sizes = { presampleSize: 24, batchSize: 8, tauThreshold: 1.1, seed: 7 } as const;
const limits = { headerBytes: 1 << 20, payloadBytes: 1 << 24 };
const scoreOf = (id: string) => (Number(id.split(':').at(-1)) % 6 === 0 ? 20 : 1);
const scores = (ids: readonly string[]) => new Uint8Array(Float32Array.from(ids, scoreOf).buffer);
const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);

/** A consumer by hand: it sends what it is told to, well-formed or not. */
class Client {
  readonly socket: Socket;
  readonly #frames: Frame[] = [];
  readonly closed: Promise<unknown>;
  #wake = () => {};
  #isOver = false;

  constructor(address: string) {
    const [host, port] = address.split(':');
    this.socket = port === undefined ? connect(address) : connect(Number(port), host);
    const reader = new FrameReader(limits);
    this.socket.on('data', (chunk: Buffer) => {
      this.#frames.push(...reader.push(chunk));
      this.#wake();
    });
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      this.socket.on('close', () => {
        this.#isOver = true;
        this.#wake();
        resolve(undefined);
      });
    });
  }

  send(kind: FrameKind, header: Record<string, unknown>, payload?: Uint8Array): this {
    for (const chunk of encodeFrame(kind, header, payload ? [payload] : [])) this.socket.write(chunk);
    return this;
  }

  greet(greeting: Record<string, unknown> = {}): this {
    return this.send(frameKinds.greeting, greeting);
  }

  /** The next frame; undefined when the server has hung up. */
  async read(): Promise<Frame | undefined> {
    while (this.#frames.length === 0 && !this.#isOver) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#frames.shift();
  }

  async expect(kind: FrameKind): Promise<Frame> {
    const frame = await this.read();
    assert.equal(frame?.kind, kind, JSON.stringify(frame?.header));
    return frame;
  }

  /** Trains on whatever comes until the end, scoring what it is asked to. @returns the batches' headers */
  async train(): Promise<Frame['header'][]> {
    const batches: Frame['header'][] = [];
    for (let frame = await this.read(); frame && frame.kind !== frameKinds.end; frame = await this.read()) {
      assert.notEqual(frame.kind, frameKinds.error, JSON.stringify(frame.header));
      const ids = frame.header['ids'] as string[];
      if (frame.kind === frameKinds.score)
        this.send(frameKinds.scores, { request: frame.header['request'] }, scores(ids));
      if (frame.kind !== frameKinds.batch) continue;
      batches.push(frame.header);
      this.send(frameKinds.done, { batch: frame.header['batch'] }, scores(ids));
    }
    this.socket.end();
    return batches;
  }
}

describe('serveMinibatches', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'taustream-serve-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** Serves, and gives the address once it listens. */
  async function serve(options: Partial<ServeOptions> = {}, more: Record<string, unknown> = {}) {
    const { corpus, seen } = clusters();
    const notes: string[] = [];
    let address = '';
    let served: ReturnType<typeof serveMinibatches> | undefined;
    await new Promise<void>((resolve, reject) => {
      served = serveMinibatches(
        corpus,
        { ...sizes, ...more },
        {
          listen: { socket: join(folder, 's') },
          steps: 20,
          patienceMs: 5000,
          onListening: (where) => {
            address = where;
            resolve();
          },
          onNote: (line) => notes.push(line),
          ...options,
        },
      );
      served.catch(reject);
    });
    return { address, served: served!, seen, notes };
  }

  it('has its consumer score presamples, and gives the batches drawn by that', async () => {
    const { address, served, seen } = await serve({ steps: 40 });
    assert.equal((await stat(address)).mode & 0o777, 0o600);
    const client = new Client(address).greet({ scores: 'presamples' });
    const hello = await client.expect(frameKinds.hello);
    assert.deepEqual(hello.header, {
      protocol: 'taustream',
      corpus: 'clusters',
      length: 500,
      schema: { x: { type: 'float32', shape: [2] }, y: { type: 'int32', shape: [] } },
      batchSize: 8,
      presampleSize: 24,
    });
    const batches = await client.train();
    assert.deepEqual(await served, { batches: 40, samples: 320, stoppedBy: 'steps' });
    assert.equal(seen.open, 0);
    const open = batches.filter(({ phase }) => phase === 'importance');
    assert.equal(open.length, 39);
    const important = open.flatMap(({ ids }) => ids as string[]).filter((id) => scoreOf(id) === 20).length;
    assert.ok(Math.abs(important / 312 - 0.8) < 0.1, `${important} of 312`);
  });

  it('lays the columns and weights of a batch where its header says', async () => {
    const { address, served } = await serve({ steps: 1 });
    const client = new Client(address).greet();
    await client.expect(frameKinds.hello);
    const { header, payload } = await client.expect(frameKinds.batch);
    const columns = header['columns'] as { name: string; type: string; shape: number[]; offset: number }[];
    assert.deepEqual(columns, [
      { name: 'x', type: 'float32', shape: [8, 2], offset: 0 },
      { name: 'y', type: 'int32', shape: [8], offset: 64 },
      { name: 'weights', type: 'float32', shape: [8], offset: 128 },
    ]);
    const rows: { x: number[]; y: number }[] = [];
    for await (const { x, y } of clusters(8).corpus.samples({ seed: 7, epochs: 1 }))
      rows.push({ x: [...Float32Array.from(x as number[])], y: y as number });
    const { buffer } = payload;
    assert.deepEqual(
      [...new Float32Array(buffer, 0, 16)],
      rows.flatMap(({ x }) => x),
    );
    assert.deepEqual(
      [...new Int32Array(buffer, 64, 8)],
      rows.map(({ y }) => y),
    );
    assert.deepEqual(
      [...new Float32Array(buffer, 128, 8)],
      Array.from({ length: 8 }, () => 1),
    );
    client.send(frameKinds.done, { batch: 1 });
    await client.expect(frameKinds.end);
    client.socket.end();
    await served;
  });

  it('reads no further than a consumer that is slow', async () => {
    const { address, served, seen } = await serve({ steps: 100 });
    const client = new Client(address).greet({ credit: 3 });
    await client.expect(frameKinds.hello);
    for (const _ of [1, 2, 3]) await client.expect(frameKinds.batch);
    await wait(50);
    assert.equal(seen.pulled, 24);
    client.send(frameKinds.done, { batch: 1 });
    await client.expect(frameKinds.batch);
    assert.equal(seen.pulled, 32);
    client.send(frameKinds.bye, {});
    await client.expect(frameKinds.end);
    client.socket.end();
    assert.deepEqual(await served, { batches: 4, samples: 32, stoppedBy: 'consumer' });
    assert.equal(seen.open, 0);
  });

  it('gives a consumer that comes back what the one before had not done with, and nothing twice', async () => {
    const { address, served, notes } = await serve({ steps: 12 });
    const first = new Client(address).greet({ scores: 'reports', credit: 2 });
    await first.expect(frameKinds.hello);
    const one = await first.expect(frameKinds.batch);
    const two = await first.expect(frameKinds.batch);
    first.send(frameKinds.done, { batch: 1 }, scores(one.header['ids'] as string[]));
    first.socket.write(encodeFrame(frameKinds.done, { batch: 2 })[0]!.subarray(0, 9)); // dies in the middle of a frame
    first.socket.destroySoon();
    await first.closed;
    const second = new Client(address).greet({ scores: 'reports' });
    await second.expect(frameKinds.hello);
    const batches = await second.train();
    assert.equal((await served).batches, 12);
    assert.deepEqual(batches[0]!['ids'], two.header['ids']);
    assert.deepEqual(
      batches.map(({ batch }) => batch),
      Array.from({ length: 11 }, (_, i) => i + 2),
    );
    assert.match(notes.join('\n'), /expected a whole frame, got 9 bytes of one/);
  });

  const breaches: Record<string, [(client: Client, batch: Frame) => void, RegExp]> = {
    garbage: [(client) => client.socket.write('GET / HTTP/1.1\r\n\r\n'), /expected a frame \(0x94\)/],
    'scores of the wrong length': [
      (client) => client.send(frameKinds.done, { batch: 1 }, floats(1, 2)),
      /expected 8 scores, one a sample, got 2/,
    ],
    'scores that are NaN': [
      (client) => client.send(frameKinds.done, { batch: 1 }, floats(1, 1, 1, 1, 1, 1, 1, Number.NaN)),
      /1 of 8 that are not: c:0:7 \(NaN\)/,
    ],
    'scores of an odd number of bytes': [
      (client) => client.send(frameKinds.done, { batch: 1 }, Uint8Array.of(1, 2, 3)),
      /expected float32 scores, got 3 bytes/,
    ],
    'an unknown batch': [(client) => client.send(frameKinds.done, { batch: 9 }), /a batch that is out \(1\), got 9/],
    'scores that nobody asked for': [
      (client) => client.send(frameKinds.scores, { request: 3 }, floats(1)),
      /\(none is open\), got them of 3/,
    ],
    'a misspelt header': [(client) => client.send(frameKinds.done, { batsh: 1 }), /Frame `done`: `batch` /],
    'a frame of the server': [(client) => client.send(frameKinds.hello, {}), /got a frame of kind 1/],
    'another greeting': [(client) => client.greet(), /got a frame of kind 16/],
  };
  for (const [what, [act, message]] of Object.entries(breaches))
    it(`tells a consumer that sends ${what} what is wrong, and goes on with the next one`, async () => {
      const { address, served, notes } = await serve({ steps: 3 });
      const client = new Client(address).greet({ scores: 'reports' });
      await client.expect(frameKinds.hello);
      act(client, await client.expect(frameKinds.batch));
      const { header } = await client.expect(frameKinds.error);
      assert.equal(header['code'], 'ERR_CONSUMER');
      assert.match(String(header['message']), message);
      client.socket.end();
      await client.closed;
      const fixed = new Client(address).greet({ scores: 'reports' });
      await fixed.expect(frameKinds.hello);
      assert.deepEqual(
        (await fixed.train()).map(({ batch }) => batch),
        [1, 2, 3],
      );
      await served;
      assert.match(notes.join('\n'), message);
    });

  it('refuses wrong scores of a presample, and asks the next consumer for them', async () => {
    const { address, served } = await serve({ steps: 2 }, { tauThreshold: 0 });
    const client = new Client(address).greet({ scores: 'presamples' });
    await client.expect(frameKinds.hello);
    const asked = await client.expect(frameKinds.score);
    client.send(frameKinds.scores, { request: asked.header['request'] }, floats(-1));
    assert.match(String((await client.expect(frameKinds.error)).header['message']), /24 finite scores .* got 1: -1/);
    client.socket.end();
    await client.closed;
    const fixed = new Client(address).greet({ scores: 'presamples' });
    await fixed.expect(frameKinds.hello);
    assert.equal((await fixed.train()).length, 2);
    await served;
  });

  it('turns a second consumer away while there is one', async () => {
    const { address, served } = await serve({ steps: 2 });
    const client = new Client(address).greet();
    await client.expect(frameKinds.hello);
    const other = new Client(address).greet();
    assert.match(String((await other.expect(frameKinds.error)).header['message']), /another is connected/);
    other.socket.end();
    assert.equal((await client.train()).length, 2);
    await served;
  });

  it('fails by name when no consumer comes, and when one does not come back', async () => {
    const never = await serve({ patienceMs: 20 });
    await assert.rejects(never.served, {
      code: 'ERR_CONSUMER',
      message: /expected a consumer within 0.02 s, got none/,
    });
    const left = await serve({ patienceMs: 50 });
    const client = new Client(left.address).greet({ credit: 2 });
    await client.expect(frameKinds.hello);
    await client.expect(frameKinds.batch);
    await client.expect(frameKinds.batch);
    client.socket.destroy();
    await assert.rejects(left.served, { code: 'ERR_CONSUMER', message: /it left with 2 batches out: 1, 2/ });
    assert.equal(left.seen.open, 0);
  });

  it('ends when it is aborted, wherever it is waiting', async () => {
    for (const greeting of [undefined, { credit: 1 }, { scores: 'presamples' }]) {
      const abort = new AbortController();
      const { address, served, seen } = await serve({}, { signal: abort.signal, tauThreshold: 0 });
      const client = new Client(address);
      if (greeting) {
        client.greet(greeting);
        await client.expect(frameKinds.hello);
        await client.read();
      }
      abort.abort();
      assert.equal((await served).stoppedBy, 'signal');
      client.socket.destroy();
      for (let i = 0; i < 5; i++) await wait(1);
      assert.equal(seen.open, 0);
    }
  });

  it('asks for a token where other machines can connect', async () => {
    const open = { listen: { port: 0, host: '0.0.0.0' } };
    await assert.rejects(serve(open), { code: 'ERR_OPTIONS', message: /expected a token .*0\.0\.0\.0/ });
    const { address, served } = await serve({ listen: { ...open.listen, token: 'secret' }, steps: 1 });
    const here = address.replace('0.0.0.0', '127.0.0.1');
    const wrong = new Client(here).greet({ token: 'guess' });
    assert.match(String((await wrong.expect(frameKinds.error)).header['message']), /expected the token/);
    wrong.socket.end();
    const right = new Client(here).greet({ token: 'secret' });
    await right.expect(frameKinds.hello);
    await right.train();
    assert.equal((await served).batches, 1);
  });

  it('refuses an address that is taken, and replaces a socket file that nobody listens on', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as { port: number };
    await assert.rejects(serve({ listen: { port } }), {
      code: 'ERR_CONSUMER',
      message: /somebody listens there already/,
    });
    taken.close();
    const running = await serve({ steps: 1 });
    await assert.rejects(serve(), { code: 'ERR_CONSUMER', message: /somebody listens there already/ });
    await new Client(running.address).greet().train();
    await running.served;
    await writeFile(join(folder, 'file'), '');
    await assert.rejects(serve({ listen: { socket: join(folder, 'file') } }), { code: 'ERR_CONSUMER' });
  });
});
