/**
 * Reading alone: windows of 64 characters a second, from text and from record shards, on one core; and whether memory
 * depends on the corpus' size: 1 MB of text against 1 GB, made by repetition.
 *
 *     node --import tsx bench/reading.ts [--seed 7] [--gigabytes 1]
 *
 * Each line is a process of its own, so that no peak of memory is another's.
 */
import { execFile } from 'node:child_process';
import { open, mkdtemp, readFile, rm } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { mobyDick } from '../corpora/moby-dick/recipe.ts';
import { fetchCorpus } from '../src/corpus/recipe.ts';
import { recordCorpus } from '../src/corpus/record-corpus.ts';
import { textCorpus } from '../src/corpus/text-corpus.ts';
import { writeRecords } from '../src/corpus/write-records.ts';
import { median } from './median.ts';

const WINDOW = 64;
const GOAL = 200_000;
const MEGABYTE = 1e6;

const { values: flags } = parseArgs({
  options: {
    seed: { type: 'string', default: '7' },
    gigabytes: { type: 'string', default: '1' },
    /** Internal: measure one case in this process. */
    measure: { type: 'string' },
    path: { type: 'string' },
    windows: { type: 'string' },
  },
});
const seed = Number(flags.seed);

interface Measured {
  /** Windows in one epoch. */
  readonly length: number;
  readonly openSeconds: number;
  readonly windowsPerSecond: number;
  /** The same by the processor's time, all threads, which other programs on the machine disturb less. */
  readonly windowsPerCpuSecond: number;
  /** Characters that were seen, so that nothing can be left out. */
  readonly checksum: number;
  readonly peakRssBytes: number;
}

const openers = {
  text: (path: string) => textCorpus({ path, window: WINDOW }),
  'text, stride 1': (path: string) => textCorpus({ path, window: WINDOW, stride: 1 }),
  'text, bytes': (path: string) => textCorpus({ path, window: WINDOW, unit: 'byte' }),
  'record shards': (path: string) => recordCorpus(path),
} as const;
type Case = keyof typeof openers;
const isCase = (name: string | undefined): name is Case => name !== undefined && Object.hasOwn(openers, name);

async function measure(name: Case, path: string, windows: number): Promise<Measured> {
  const started = performance.now();
  const corpus = await openers[name](path);
  const opened = performance.now();
  const cpuBefore = process.cpuUsage();
  let seen = 0;
  let checksum = 0;
  for await (const { y } of corpus.samples({ seed })) {
    if (y instanceof Int32Array) checksum += y[WINDOW - 1]!;
    seen += 1;
    if (seen === windows) break;
  }
  const seconds = (performance.now() - opened) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  return {
    length: corpus.length,
    openSeconds: (opened - started) / 1000,
    windowsPerSecond: windows / seconds,
    windowsPerCpuSecond: windows / ((cpu.user + cpu.system) / 1e6),
    checksum,
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
  };
}

const run = promisify(execFile);

async function measureApart(name: Case, path: string, windows: number): Promise<Measured> {
  const script = fileURLToPath(import.meta.url);
  const args = ['--measure', name, '--path', path, '--windows', String(windows), '--seed', String(seed)];
  const { stdout } = await run(process.execPath, [...process.execArgv, script, ...args]);
  const measured: Measured = JSON.parse(stdout); // printed by `measure`, in this file
  return measured;
}

/** Writes `bytes` bytes of whole repetitions of `text`. */
async function repeatText(path: string, text: Buffer, bytes: number): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    for (let written = 0; written < bytes; written += text.length) await handle.appendFile(text);
  } finally {
    await handle.close();
  }
}

async function prepare(folder: string) {
  const { files } = await fetchCorpus(mobyDick);
  const novel = await readFile(files[0]!, 'utf8');
  const megabyte = Buffer.from(novel).subarray(0, MEGABYTE - 1); // cut after an ASCII character, see below
  if (megabyte.at(-1)! >= 0x80) throw new Error('the cut lies inside a character');
  const paths = {
    small: join(folder, 'small.txt'),
    large: join(folder, 'large.txt'),
    records: join(folder, 'records'),
  };
  await repeatText(paths.small, megabyte, megabyte.length);
  await repeatText(paths.large, megabyte, Number(flags.gigabytes) * 1e9);
  const windows = await textCorpus({ path: paths.small, window: WINDOW, stride: 4 });
  await writeRecords(paths.records, windows.samples({ seed, epochs: 1, shuffle: false }), {
    schema: windows.schema,
    classes: { y: windows.vocabulary.size },
    shardBytes: 2 ** 24,
  });
  return paths;
}

const inMegabytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

function report(
  label: string,
  { length, openSeconds, windowsPerSecond, windowsPerCpuSecond, peakRssBytes }: Measured,
): void {
  const goal = windowsPerSecond >= GOAL ? 'reached' : 'MISSED';
  console.log(
    `${label.padEnd(26)} ${String(length).padStart(10)} windows  opened in ${openSeconds.toFixed(2).padStart(6)} s  ` +
      `${String(Math.round(windowsPerSecond)).padStart(8)} windows/s (goal ${GOAL}: ${goal})  ${String(Math.round(windowsPerCpuSecond)).padStart(8)} a CPU second  peak RSS ${inMegabytes(peakRssBytes)}`,
  );
}

/** Peaks of memory depend on when garbage is collected, so each size is measured three times, in turn. */
async function compareSizes(small: string, large: string): Promise<void> {
  const peaks = { small: [] as number[], large: [] as number[] };
  for (let round = 0; round < 3; round++) {
    const one = await measureApart('text', small, 2_000_000);
    const thousand = await measureApart('text', large, 2_000_000);
    report('text, 1 MB, 2 M windows', one);
    report(`text, ${flags.gigabytes} GB, 2 M windows`, thousand);
    peaks.small.push(one.peakRssBytes);
    peaks.large.push(thousand.peakRssBytes);
  }
  const [low, high] = [median(peaks.small), median(peaks.large)];
  console.log(
    `peak RSS, median of 3: 1 MB ${inMegabytes(low)}, ${flags.gigabytes} GB ${inMegabytes(high)}: ${(high / low).toFixed(3)} times`,
  );
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'taustream-bench-'));
  try {
    const { model } = cpus()[0]!;
    console.log(
      `${model}, ${cpus().length} cores, ${inMegabytes(totalmem())}; Node ${process.version}; seed ${seed}; window ${WINDOW}`,
    );
    const { small, large, records } = await prepare(folder);
    report('text, 1 MB', await measureApart('text', small, 1_000_000));
    report('text, 1 MB, stride 1', await measureApart('text, stride 1', small, 1_000_000));
    report('text, 1 MB, bytes', await measureApart('text, bytes', small, 1_000_000));
    report('record shards', await measureApart('record shards', records, 1_000_000));
    await compareSizes(small, large);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

if (isCase(flags.measure))
  console.log(JSON.stringify(await measure(flags.measure, flags.path!, Number(flags.windows))));
else await main();
