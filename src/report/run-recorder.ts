import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RunError, messageOf } from '../errors.ts';
import type { Minibatch } from '../stream/minibatch.ts';
import type { StepRecord } from '../train/step-record.ts';
import { DrawCounts } from './draw-counts.ts';
import { cutAfter, MetricsFile } from './metrics-file.ts';
import { EventsFile } from './tensorboard/events-file.ts';

/** Steps between two histograms: of a presample's scores and a batch's weights. */
const histogramEvery = 10;
/** Shares of the scores whose values are noted. */
const shares = [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1];

/** A line of `scores.jsonl`: the scores at the shares 0, 5, 25, 50, 75, 95 and 100 %. */
export interface ScoreLine {
  readonly step: number;
  readonly scores: readonly number[];
}

/** Writes down what a run shows of itself beside its metrics: TensorBoard's events, scores, samples drawn most. */
export class RunRecorder implements Disposable {
  readonly #folder: string;
  readonly #events: EventsFile;
  readonly #scoreLines: MetricsFile<ScoreLine>;
  readonly #draws = new DrawCounts();
  #scores: Float32Array | undefined;
  #weights: Float32Array | undefined;
  #step: number;
  #seconds = 0;
  #samples = 0;

  private constructor(folder: string, step: number, isResumed: boolean) {
    this.#folder = folder;
    this.#step = step;
    this.#events = new EventsFile(folder, step);
    this.#scoreLines = new MetricsFile<ScoreLine>(join(folder, 'scores.jsonl'), isResumed);
  }

  /**
   * @param resumedAt the step after which the run goes on, if it was stopped before
   * @throws {RunError} when a file cannot be made
   */
  static async open(folder: string, resumedAt?: number): Promise<RunRecorder> {
    if (resumedAt !== undefined) await cutAfter(join(folder, 'scores.jsonl'), resumedAt);
    return new RunRecorder(folder, resumedAt ?? 0, resumedAt !== undefined);
  }

  minibatch(batch: Minibatch): void {
    this.#draws.add(batch);
    if ((this.#step + 1) % histogramEvery === 0 && batch.phase === 'importance') this.#weights = batch.weights;
  }

  scores(scores: Float32Array): void {
    if ((this.#step + 1) % histogramEvery === 0) this.#scores = scores;
  }

  /** @throws {RunError} when it cannot be written */
  step(record: StepRecord): void {
    const [scores, weights] = [this.#scores, this.#weights];
    const seconds = record.seconds - this.#seconds;
    const samples = record.samplesTrained - this.#samples;
    [this.#step, this.#seconds, this.#samples] = [record.step, record.seconds, record.samplesTrained];
    [this.#scores, this.#weights] = [undefined, undefined];
    const validation = Object.entries(record.validation ?? {});
    this.#events.write(record.step, {
      scalars: {
        loss: record.loss,
        'learning rate': record.lr,
        'gate/tau': record.tau,
        'gate/open': Number(record.gate === 'open'),
        'gate/effective sample size': record.ess,
        'speed/samples per second': seconds > 0 ? samples / seconds : 0,
        'speed/waited for data ms': record.waitedMs,
        'memory/resident bytes': record.rssBytes,
        ...Object.fromEntries(validation.map(([name, value]) => [`validation/${name}`, value])),
      },
      histograms: { ...(scores && { scores }), ...(weights && { weights }) },
    });
    if (scores) this.#scoreLines.write({ step: record.step, scores: quantiles(scores) });
  }

  /** Writes what was gathered. @throws {RunError} when it cannot be written */
  flush(): void {
    this.#events.flush();
    this.#scoreLines.flush();
  }

  /** Writes the samples drawn most, and everything else that is left. */
  finish(): void {
    const path = join(this.#folder, 'samples.json');
    try {
      writeFileSync(`${path}.tmp`, JSON.stringify(this.#draws.top()));
      renameSync(`${path}.tmp`, path);
    } catch (cause) {
      rmSync(`${path}.tmp`, { force: true });
      const reason = messageOf(cause);
      throw new RunError(`${path}: cannot be written: ${reason}. Make room, or name another folder.`, {}, { cause });
    }
  }

  [Symbol.dispose](): void {
    try {
      this.#events[Symbol.dispose]();
    } finally {
      this.#scoreLines.close();
    }
  }
}

function quantiles(scores: Float32Array): number[] {
  const sorted = Float32Array.from(scores).toSorted();
  return shares.map((share) => Number(sorted[Math.round(share * (sorted.length - 1))]!.toPrecision(5)));
}
