import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import colors from 'picocolors';
import type { Host } from '../../src/cli/host.ts';
import { main } from '../../src/cli/main.ts';
import { FrameReader, frameKinds } from '../../src/consumer/frames.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import { fit } from '../../src/train/fit.ts';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const [bin, letters] = [path('../../src/cli/bin.js'), path('fixtures/letters.ts')];
const client = path('../../pipelines/consumers/python');
const start = (args: readonly string[]) => spawn(process.execPath, [bin, 'stream', letters, ...args]);

describe('taustream stream', () => {
  it('writes hello, as many batches as asked for, and the end', async () => {
    const child = start(['--steps', '5']);
    const reader = new FrameReader({ headerBytes: 1 << 20, payloadBytes: 1 << 24 });
    const frames = [];
    for await (const chunk of child.stdout) frames.push(...reader.push(chunk as Buffer));
    assert.equal(reader.pending, 0);
    assert.deepEqual(
      frames.map(({ kind }) => kind),
      [frameKinds.hello, ...Array.from({ length: 5 }, () => frameKinds.batch), frameKinds.end],
    );
    assert.equal(new Set(frames.slice(1, -1).flatMap(({ header }) => header['ids'] as string[])).size, 40);
    assert.match(await text(child.stderr), /letters: 5 batches \(40 samples\).*as many as were asked for/);
  });

  it('says so when its pipe is closed before the end', async () => {
    const child = start(['--steps', '100000']);
    const said = text(child.stderr);
    for await (const _ of child.stdout) break;
    child.stdout.destroy();
    const code = await new Promise((resolve) => child.on('close', resolve));
    assert.equal(code, 1);
    assert.match(await said, /^taustream: Output: .*closed after \d+ batches/m);
  });

  it('refuses flags that do not fit', async () => {
    for (const [args, message] of [
      [['--socket', 'a', '--port', '1'], /got both/],
      [['--host', '0.0.0.0'], /expected `--port`/],
      [['--port', '0', '--host', '0.0.0.0'], /expected a token/],
      [['--port', '70000'], /Expected a port/],
    ] as const) {
      let said = '';
      const write = (line: string) => (said += line);
      const host: Host = {
        stdout: { write },
        stderr: { write },
        colors: colors.createColors(false),
        fit,
        useEngine: () => useEngine('cpu'),
      };
      assert.notEqual(await main(['stream', letters, ...args], host), 0);
      assert.match(said, message);
    }
  });

  describe('to Python', () => {
    let folder: string;
    before(async function () {
      const python = promisify(execFile)('python3', ['-c', 'import msgpack, numpy']);
      if (
        await python.then(
          () => false,
          () => true,
        )
      )
        this.skip(); // Python with msgpack and numpy is not here
    });
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'taustream-stream-'));
    });
    afterEach(() => rm(folder, { recursive: true }));

    it('gives NumPy arrays that lie in the frame, and draws by the scores that come back', async () => {
      const socket = join(folder, 's');
      const server = start(['--steps', '100', '--socket', socket]);
      const account = text(server.stderr);
      const program = `
import sys, time, numpy as np
import taustream_consumer as taustream
def score(samples): return np.where(samples.x[:, 0] == 3, 20.0, 1.0)
for _ in range(200):
    try:
        batches = taustream.connect(sys.argv[1], score=score, credit=1)
        break
    except OSError:
        time.sleep(0.05)
first, rare = None, 0
with batches:
    for batch in batches:
        if batch.phase == "uniform": batch.report(score(batch))
        assert not batch.x.flags.owndata and batch.x.ctypes.data % 64 == 0
        assert np.array_equal(batch.x[:, 1:], batch.y[:, :-1])
        rare += int((batch.x[:, 0] == 3).sum())
print(batch.number, batch.phase, rare / (8 * batch.number) > 0.2)
`;
      const { stdout } = await promisify(execFile)('python3', ['-c', program, socket], {
        env: { ...process.env, PYTHONPATH: client },
      });
      assert.equal(stdout, '100 importance True\n', await account);
      assert.match(await account, /letters: 100 batches \(800 samples\)/);
    });

    it('trains the NumPy example over a pipe', async () => {
      const server = start(['--steps', '40']);
      const trainer = spawn('python3', [join(client, 'examples', 'numpy_trainer.py')], {
        env: { ...process.env, PYTHONPATH: client },
      });
      server.stdout.pipe(trainer.stdin);
      const [out, err] = await Promise.all([text(trainer.stdout), text(trainer.stderr)]);
      const [, first, last] = /40 batches: loss ([\d.]+) -> ([\d.]+)/.exec(out) ?? assert.fail(err);
      assert.ok(Number(last) < 0.5 * Number(first), out);
    });
  });
});
