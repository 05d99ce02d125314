import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import type { FleetReport } from '../../cluster/status.ts';
import type { StepRecord } from '../../train/step-record.ts';
import type { DrawnSample } from '../draw-counts.ts';
import { fleetFile } from '../fleet-file.ts';
import { readRunFile, type Run } from '../run-file.ts';
import type { ScoreLine } from '../run-recorder.ts';
import { TauByAge, type AgeRow } from './tau-by-age.ts';

/** Points that a curve is drawn with. */
const points = 400;

/** A share of a run: the means of its steps. */
export interface Span {
  readonly step: number;
  readonly seconds: number;
  readonly loss: number;
  readonly lr: number;
  readonly tau: number;
  readonly ess: number;
  readonly rssBytes: number;
  /** Of the steps, 0 to 1. */
  readonly open: number;
  readonly waitedShare: number;
  readonly samplesPerSecond: number;
}

/** What a run's folder holds, as its page shows it. */
export interface RunData {
  readonly run: Run;
  readonly steps: number;
  readonly last: StepRecord | undefined;
  readonly spans: readonly Span[];
  readonly validation: readonly Pick<StepRecord, 'step' | 'seconds' | 'validation'>[];
  /** Steps between which the gate was open. */
  readonly open: readonly { readonly from: number; readonly to: number }[];
  /** τ of the steps drawn by importance, by how old their scores were. */
  readonly ages: readonly AgeRow[];
  readonly scores: readonly ScoreLine[];
  readonly samples: readonly DrawnSample[];
  /** How the fleet was when it last said so, where one scores. */
  readonly fleet?: FleetReport;
  /** The vocabulary saved with the model, in the order of its ids; none without a text. */
  readonly characters?: readonly string[];
}

/**
 * Reads a run's folder, finished or not. Memory does not depend on the number of steps.
 * @throws {RunError} when it is no run's folder
 */
export async function readRun(folder: string): Promise<RunData> {
  const run = await readRunFile(join(folder, 'run.json'));
  const steps = new Steps();
  for await (const record of linesOf<StepRecord>(join(folder, 'metrics.jsonl'))) steps.add(record);
  const scores = new Thinned<ScoreLine>();
  for await (const line of linesOf<ScoreLine>(join(folder, 'scores.jsonl'))) scores.add(line);
  const samples = (await jsonOf(join(folder, 'samples.json'))) as DrawnSample[] | undefined; // written by RunRecorder
  const fleet = (await jsonOf(join(folder, fleetFile))) as FleetReport | undefined; // written by `writeFleetFile`
  const characters = await readCharacters(folder);
  const known = { ...(fleet && { fleet }), ...(characters && { characters }) };
  return { run, ...steps.result(), scores: scores.items, samples: samples ?? [], ...known };
}

/** The objects of a file of lines; a last line that is being written is left out. */
async function* linesOf<Line>(path: string): AsyncGenerator<Line, void, void> {
  const input = createReadStream(path);
  try {
    for await (const line of createInterface({ input, crlfDelay: Infinity })) {
      const parsed = parse(line);
      if (parsed !== undefined) yield parsed as Line; // written by taustream
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error; // not written yet
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const jsonOf = async (path: string): Promise<unknown> => parse(await readFile(path, 'utf8').catch(() => ''));

/** What is read of a vocabulary's file; that of bytes has no characters. */
const VocabularyFile = z.looseObject({ characters: z.string(), unknown: z.string() });

async function readCharacters(folder: string): Promise<string[] | undefined> {
  const saved = VocabularyFile.safeParse(await jsonOf(join(folder, 'model', 'vocabulary.json'))).data;
  return saved && [...(saved.unknown === 'token' ? ['\uFFFD'] : []), ...Array.from(saved.characters)];
}

/** Keeps evenly spaced items, twice as far apart each time there are too many. */
class Thinned<Item> {
  items: Item[] = [];
  #every = 1;
  #seen = 0;

  add(item: Item): void {
    if (this.#seen++ % this.#every === 0) this.items.push(item);
    if (this.items.length < 2 * points) return;
    this.items = this.items.filter((_, i) => i % 2 === 0);
    this.#every *= 2;
  }
}

type Sums = { -readonly [Key in keyof Span]: number } & { count: number };

/** Sums up steps as they come: spans of equally many steps, two of which become one when there are too many. */
class Steps {
  #sums: Sums[] = [];
  #perSpan = 1;
  #last: StepRecord | undefined;
  readonly #validation = new Thinned<Pick<StepRecord, 'step' | 'seconds' | 'validation'>>();
  readonly #open: { from: number; to: number }[] = [];
  readonly #ages = new TauByAge();

  add(record: StepRecord): void {
    this.#ages.add(record);
    const { step, seconds, loss, lr, tau, ess, rssBytes, waitedMs } = record;
    const took = Math.max(1e-9, seconds - (this.#last?.seconds ?? 0));
    const samples = record.samplesTrained - (this.#last?.samplesTrained ?? 0);
    const isOpen = record.phase === 'importance';
    if (isOpen) {
      const current = this.#open.at(-1);
      if (current?.to === step - 1) current.to = step;
      else this.#open.push({ from: step, to: step });
    }
    const sums: Sums = {
      step,
      seconds,
      loss,
      lr,
      tau,
      ess,
      rssBytes,
      count: 1,
      open: Number(isOpen),
      waitedShare: waitedMs / 1000,
      samplesPerSecond: samples,
    };
    const current = this.#sums.at(-1);
    if (current && current.count < this.#perSpan) merge(current, sums);
    else this.#sums.push(sums);
    if (this.#sums.length > 2 * points && this.#sums.at(-1)!.count === this.#perSpan) this.#halve();
    if (record.validation) this.#validation.add({ step, seconds, validation: record.validation });
    this.#last = { ...record, seconds: Math.max(seconds, took) };
  }

  #halve(): void {
    const merged: Sums[] = [];
    for (const [i, sums] of this.#sums.entries())
      if (i % 2 === 0) merged.push(sums);
      else merge(merged.at(-1)!, sums);
    this.#sums = merged;
    this.#perSpan *= 2;
  }

  result(): Pick<RunData, 'steps' | 'last' | 'spans' | 'validation' | 'open' | 'ages'> {
    let before = 0;
    const spans = this.#sums.map(({ count, ...sums }): Span => {
      const took = Math.max(1e-9, sums.seconds - before);
      before = sums.seconds;
      const means = Object.fromEntries(
        (['loss', 'lr', 'tau', 'ess', 'rssBytes', 'open'] as const).map((key) => [key, sums[key] / count]),
      ) as Pick<Span, 'loss' | 'lr' | 'tau' | 'ess' | 'rssBytes' | 'open'>;
      const { step, seconds, waitedShare, samplesPerSecond } = sums;
      return { step, seconds, ...means, waitedShare: waitedShare / took, samplesPerSecond: samplesPerSecond / took };
    });
    return {
      steps: this.#last?.step ?? 0,
      last: this.#last,
      spans,
      validation: this.#validation.items,
      open: this.#open,
      ages: this.#ages.rows(),
    };
  }
}

/** Adds `more` to `into`; the end of a span is that of its last step. */
function merge(into: Sums, more: Sums): void {
  for (const key of [
    'loss',
    'lr',
    'tau',
    'ess',
    'rssBytes',
    'open',
    'waitedShare',
    'samplesPerSecond',
    'count',
  ] as const)
    into[key] += more[key];
  [into.step, into.seconds] = [more.step, more.seconds];
}
