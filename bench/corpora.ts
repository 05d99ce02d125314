/**
 * Reading corpora: samples a second, in shuffled batches as a trainer gets them, against tf.data, PyTorch's DataLoader,
 * WebDataset, MosaicML Streaming and tfjs-data, on the same samples in the same run; then how long it takes to go on in the
 * middle of a corpus, whether memory depends on its size, and whether a trainer waits for data.
 *
 *     sh bench/peers/make-venv.sh && npx taustream engine install
 *     node --import tsx bench/corpora.ts [--quick] [--seed 7] [--rounds 2] [--only text,records,idx,images,resume,memory,waits]
 *
 * Each measurement is a process of its own, and systems take turns, round after round: the table holds medians, and
 * ratios are medians of each round's ratio. A peer at less than half of the rate of the best one that counts is measured
 * in the first round alone. `text`: windows of 64 bytes, two columns of int32 [64]. `records`: 28 × 28
 * bytes and a class in each system's own format. `idx`: the same as IDX files. `images`: 500 × 375 JPEG and PNG in a zip
 * (each peer's own archive where it has one) to 224 × 224, each output pixel a mean over the input pixels that it covers:
 * tf.data leaves that out by default, and is shown so, too, but not counted. Workers: `UV_THREADPOOL_SIZE` here, `num_workers` of a
 * DataLoader (0 is the process itself), threads of tf.data.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { writeRecords } from '../src/corpus/write-records.ts';
import { peerScript, python, repeatText, writeFiles } from './corpora/files.ts';
import {
  isCase,
  isTraining,
  measureOurs,
  measurePeak,
  measureResume,
  measureTfjs,
  measureWaits,
  trainings,
  type Case,
  type Measured,
  type Waits,
} from './corpora/readers.ts';
import { against, againstBest, isInNextRound, type Row } from './corpora/standing.ts';
import { median } from './median.ts';

const { values: flags } = parseArgs({
  options: {
    seed: { type: 'string', default: '7' },
    rounds: { type: 'string', default: '2' },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    /** Internal: what to measure in this process, of which case, on which files. */
    measure: { type: 'string' },
    case: { type: 'string' },
    mode: { type: 'string', default: 'fast' },
    path: { type: 'string' },
  },
});
const seed = Number(flags.seed);
const rounds = flags.quick ? 1 : Number(flags.rounds);
const cases = ['text', 'records', 'idx', 'images'] as const;
const allParts = [...cases, 'resume', 'memory', 'waits'] as const;
const asked: readonly string[] = flags.only?.split(',') ?? allParts;
const unknown = asked.find((name) => !allParts.some((part) => part === name));
if (unknown !== undefined) throw new Error(`expected --only ${allParts.join(',')}, got ${unknown}`);
const has = (part: (typeof allParts)[number]) => asked.includes(part);
const sizes = flags.quick
  ? { textBytes: 16e6, digits: 20_000, images: 200 }
  : { textBytes: 64e6, digits: 100_000, images: 1000 };
const modes = ['fast', 'paper'] as const;
const GIGABYTE = 1e9;

const run = promisify(execFile);

/** Runs this file in a process of its own. */
async function apart<Result>(args: readonly string[], workers = 4): Promise<Result> {
  const env = { ...process.env, UV_THREADPOOL_SIZE: String(workers) };
  const own = ['--seed', String(seed), ...(flags.quick ? ['--quick'] : [])];
  const command = [...process.execArgv, fileURLToPath(import.meta.url), ...own, ...args];
  const { stdout } = await run(process.execPath, command, { env, maxBuffer: 2 ** 26 });
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Result; // printed at the end of this file
}

async function peer(system: string, name: Case, workers: number, folder: string): Promise<Measured> {
  const args = [peerScript, system, name, String(workers), folder, String(seed)];
  const { stdout } = await run(python, args, { maxBuffer: 2 ** 26 });
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Measured; // printed by `measure` there
}

interface Contender extends Pick<Row, 'doesLess'> {
  readonly label: string;
  readonly measure: (folder: string) => Promise<Measured>;
}

/** Who reads a case with so many workers: we first. */
function contenders(name: Case, workers: number): Contender[] {
  const args = (what: string, folder: string) => ['--measure', what, '--case', name, '--path', folder];
  const ours = { label: 'taustream', measure: (folder: string) => apart<Measured>(args('ours', folder), workers) };
  const peers = {
    text: ['tf.data', 'torch'],
    records: ['tf.data', 'webdataset', 'mosaicml'],
    idx: ['tf.data', 'torch'],
    images: ['tf.data', 'tf.data-aliased', 'torch', 'webdataset', 'mosaicml'],
  }[name];
  const theirs = peers.flatMap((system) => {
    const isOne = system.startsWith('tf.data');
    const alone = workers === 1 && !isOne ? [0] : []; // a DataLoader is at times quicker without a process
    return [...alone, workers].map((count) => ({
      label: isOne ? system : `${system} (num_workers ${count})`,
      doesLess: system === 'tf.data-aliased',
      measure: (folder: string) => peer(system, name, count, folder),
    }));
  });
  const hasTfjs = workers === 1 && (name === 'text' || name === 'idx');
  const tfjs = { label: 'tfjs-data', measure: (folder: string) => apart<Measured>(args('tfjs', folder)) };
  return [ours, ...theirs, ...(hasTfjs ? [tfjs] : [])];
}

async function compare(name: Case, workers: number, folder: string): Promise<void> {
  const rows = contenders(name, workers).map((contender) => ({ ...contender, results: [] as Measured[] }));
  const [ours, ...peers] = rows;
  for (let round = 0; round < rounds; round++) {
    const measured = rows.filter((row) => row === ours || isInNextRound(row, peers)); // by the rounds before
    for (const row of measured) row.results.push(await row.measure(folder));
  }
  const of = (row: Row, key: 'perSecond' | 'perProcessorSecond') => median(row.results.map((own) => own[key]));
  console.log(`\n${name}, ${workers} worker${workers === 1 ? '' : 's'}`);
  for (const row of rows) {
    const ratio = (key: 'perSecond' | 'perProcessorSecond') => against(ours!, row, key).toFixed(2);
    console.log(
      `  ${row.label.padEnd(28)} ${whole(of(row, 'perSecond'))}/s  ${whole(of(row, 'perProcessorSecond'))} a processor second` +
        (row === ours
          ? ''
          : `   taustream: ${ratio('perSecond')} times, ${ratio('perProcessorSecond')} by processor time`),
    );
  }
  const best = (key: 'perSecond' | 'perProcessorSecond') => againstBest(ours!, peers, key);
  const byClock = best('perSecond');
  console.log(
    `  against the best peer of each round: ${byClock.toFixed(2)} times (goal 1.00: ${byClock >= 1 ? 'reached' : 'MISSED'}), ${best('perProcessorSecond').toFixed(2)} by processor time`,
  );
}

const whole = (value: number) => String(Math.round(value)).padStart(8);

/** How long it takes to go on in the middle, for text and for records of 64 KiB. */
async function compareResume(folder: string): Promise<void> {
  const bytes = flags.quick ? GIGABYTE / 10 : GIGABYTE;
  const text = join(folder, 'resume.txt');
  await repeatText(text, bytes);
  const records = join(folder, 'resume-records');
  const x = Uint8Array.from({ length: 2 ** 16 }, (_, i) => (i * 31) % 251);
  const samples = (function* () {
    for (let i = 0; i < bytes / x.length; i++) yield { id: `r${i}`, x };
  })();
  await writeRecords(records, samples, { schema: { x: { type: 'uint8', shape: [x.length] } } });
  for (const [label, path] of [
    ['text', text],
    ['records', records],
  ] as const) {
    const times: { opening: number; resuming: number }[] = [];
    for (let i = 0; i < Math.max(3, rounds); i++) times.push(await apart(['--measure', 'resume', '--path', path]));
    const [opening, resuming] = [median(times.map((t) => t.opening)), median(times.map((t) => t.resuming))];
    console.log(
      `going on in the middle of ${bytes / 1e9} GB of ${label}: ${resuming.toFixed(0)} ms (goal 100: ${resuming < 100 ? 'reached' : 'MISSED'}), after ${opening.toFixed(0)} ms of opening`,
    );
    await rm(path, { recursive: true });
  }
}

async function comparePeaks(folder: string): Promise<void> {
  const [small, large] = flags.quick ? [2e7, 2e8] : [1e8, 2e9];
  const peaks = await Promise.all(
    [small, large].map(async (bytes) => {
      const path = join(folder, `${bytes}.txt`);
      await repeatText(path, bytes);
      return { bytes, path, peaks: [] as number[] };
    }),
  );
  for (let round = 0; round < Math.max(3, rounds); round++)
    for (const row of peaks) row.peaks.push(await apart(['--measure', 'peak', '--path', row.path]));
  const [low, high] = peaks.map((row) => median(row.peaks));
  const told = peaks.map((row) => `${row.bytes / 1e6} MB: ${(median(row.peaks) / 2 ** 20).toFixed(0)} MiB`).join(', ');
  const ratio = high! / low!;
  console.log(
    `peak memory of reading: ${told}: ${ratio.toFixed(3)} times (goal 1.100: ${ratio < 1.1 ? 'reached' : 'MISSED'})`,
  );
}

async function compareWaits(folder: string): Promise<void> {
  const percent = (share: number) => (100 * share).toFixed(2);
  for (const name of Object.keys(trainings))
    for (const mode of modes) {
      const args = ['--measure', 'waits', '--mode', mode, '--case', name, '--path', folder];
      const { waiting, filling, steps } = await apart<Waits>(args);
      console.log(
        `${name} on tensorflow, mode ${mode}, waits for data ${percent(waiting)} % of the time (goal 2.00: ${waiting < 0.02 ? 'reached' : 'MISSED'}); ` +
          `buffers were filled ${percent(filling)} % of it, ${steps} steps`,
      );
    }
}

async function main(): Promise<void> {
  const begun = performance.now();
  const names = cases.filter(has);
  const arePeersAsked = names.length > 0;
  if (arePeersAsked && !existsSync(python))
    throw new Error('expected bench/peers/.venv. Make it with `sh bench/peers/make-venv.sh`.');
  const folder = await mkdtemp(join(tmpdir(), 'taustream-bench-'));
  const leave = () => void rm(folder, { recursive: true, force: true }).then(() => process.exit(130));
  process.once('SIGINT', leave).once('SIGTERM', leave);
  try {
    const versions = arePeersAsked
      ? (await run(python, [peerScript, 'versions'])).stdout.trim().split('\n').at(-1)!
      : 'without peers';
    console.log(
      `${cpus()[0]!.model}, ${cpus().length} cores, load ${loadavg()[0]!.toFixed(1)}; Node ${process.version}; ${versions}; seed ${seed}; ${rounds} rounds`,
    );
    await writeFiles(folder, has('waits') ? [...new Set([...names, 'text', 'idx'] as const)] : names, sizes, seed);
    for (const name of names) for (const workers of [1, 2]) await compare(name, workers, folder);
    if (has('waits')) await compareWaits(folder);
    if (has('resume')) await compareResume(folder);
    if (has('memory')) await comparePeaks(folder);
    console.log(`${((performance.now() - begun) / 60_000).toFixed(1)} minutes`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const path = flags.path ?? '';
if (flags.measure === 'resume') console.log(JSON.stringify(await measureResume(path, seed)));
else if (flags.measure === 'peak') console.log(await measurePeak(path, 2_000_000, seed));
else if (flags.measure === 'waits' && isTraining(flags.case))
  console.log(
    JSON.stringify(
      await measureWaits(flags.case, path, {
        seed,
        seconds: flags.quick ? 4 : 15,
        mode: flags.mode === 'paper' ? 'paper' : 'fast',
      }),
    ),
  );
else if (flags.measure === 'tfjs' && isCase(flags.case))
  console.log(JSON.stringify(await measureTfjs(flags.case, path, seed)));
else if (isCase(flags.case)) console.log(JSON.stringify(await measureOurs(flags.case, path, seed)));
else await main();
