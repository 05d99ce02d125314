import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { serveMinibatches } from '../src/consumer/serve.ts';
import type { Corpus } from '../src/stream/sample.ts';

/*
 * Payload a second from Node to a Python consumer through a Unix socket, against a bare copy of the same bytes through
 * such a socket in the same run. Run: npx tsx bench/frames.ts (needs Python with msgpack and numpy)
 */
const [batchSize, side, seconds] = [32, 256, 4];
const rowBytes = side * side * 3;
const payloadBytes = batchSize * rowBytes;
const client = fileURLToPath(new URL('../pipelines/consumers/python', import.meta.url));
const python = (program: string, ...args: string[]) => {
  const child = spawn('python3', ['-c', program, ...args], { env: { ...process.env, PYTHONPATH: client } });
  child.stderr.pipe(process.stderr);
  return text(child.stdout);
};

const picture = new Uint8Array(rowBytes).map((_, i) => i % 251);
const corpus: Corpus = {
  name: 'pictures',
  schema: { x: { type: 'uint8', shape: [side, side, 3] }, y: { type: 'int32', shape: [] } },
  length: undefined,
  async *samples() {
    for (let i = 0; ; i++) yield { id: `p:${i}`, x: picture, y: i % 10 };
  },
};

const readFrames = `
import sys, time, taustream_consumer as t
s = t.connect(sys.argv[1], credit=3); n = 0; begun = None
for b in s:
    if begun is None: begun = time.perf_counter(); continue
    n += b.x.nbytes
print(n / (time.perf_counter() - begun) / 1e9)
`;
const readBare = `
import sys, time, socket, numpy as np
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); n = 0; begun = None
while True:
    room = np.empty(int(sys.argv[2]), np.uint8); got = 0
    while got < len(room):
        k = s.recv_into(memoryview(room)[got:])
        if not k: print(n / (time.perf_counter() - begun) / 1e9); sys.exit()
        begun = begun or time.perf_counter(); got += k
    n += got
`;

async function bare(path: string): Promise<number> {
  const chunk = Buffer.from(new Uint8Array(payloadBytes).map((_, i) => i % 251));
  const server = createServer((socket) => {
    const end = performance.now() + 1000 * seconds;
    const more = () => (performance.now() < end ? socket.write(chunk, more) : socket.end());
    more();
  }).listen(path);
  const rate = Number(await python(readBare, path, String(payloadBytes)));
  server.close();
  return rate;
}

async function frames(path: string): Promise<number> {
  const options = { batchSize, presampleSize: batchSize, seed: 7 };
  const reading = new Promise<string>((resolve) => {
    void serveMinibatches(corpus, options, {
      listen: { socket: path },
      seconds,
      onListening: () => resolve(python(readFrames, path)),
    });
  });
  return Number(await reading);
}

const folder = await mkdtemp(join(tmpdir(), 'taustream-bench-'));
try {
  console.log(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}; ${payloadBytes / 1e6} MB a batch`);
  for (let run = 0; run < 3; run++) {
    const [copy, framed] = [await bare(join(folder, `b${run}`)), await frames(join(folder, `f${run}`))];
    console.log(
      `run ${run + 1}: frames ${framed.toFixed(2)} GB/s, bare copy ${copy.toFixed(2)} GB/s (${((100 * framed) / copy).toFixed(0)} %)`,
    );
  }
} finally {
  await rm(folder, { recursive: true });
}
