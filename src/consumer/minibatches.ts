import type { Readable } from 'node:stream';
import type * as tf from '@tensorflow/tfjs';
import { importance } from '../importance/importance.ts';
import type { Scorer } from '../importance/model-scorer.ts';
import { parseOptions } from '../options.ts';
import { presample } from '../presample/presample.ts';
import { Costs } from '../resample/costs.ts';
import { resample } from '../resample/resample.ts';
import { shutGate, tauGate, type TauGate } from '../resample/tau-gate.ts';
import { InFlight } from '../stream/in-flight.ts';
import { Meter } from '../stream/meter.ts';
import type { Minibatch } from '../stream/minibatch.ts';
import { prefetch } from '../stream/prefetch.ts';
import type { Presample } from '../stream/presample.ts';
import type { Corpus } from '../stream/sample.ts';
import type { Stage } from '../stream/stage.ts';
import { createTurnstile } from '../stream/turnstile.ts';
import { asReadable } from '../stream/transform.ts';
import { unlessAborted } from '../stream/unless-aborted.ts';
import { batchDataset, type BatchTensors } from './batch-dataset.ts';
import { MinibatchValues, type MinibatchOptions, type MinibatchSettings } from './minibatch-options.ts';
import { ReportedScores } from './reported-scores.ts';
import { expectScores } from './scores.ts';
import { WeightedBatch } from './weighted-batch.ts';

/**
 * Draws weighted minibatches for a trainer of your own, by the same stages as `fit`: presample, score, draw under the τ
 * gate, weigh. Multiply each sample's loss by its weight before taking the mean, and the gradient is unbiased.
 *
 * The result is an async iterable, and an iterator of one run: what was taken is not given again. Asking for the next
 * batch disposes the one before and counts as a step on it.
 *
 * Memory: one presample of `presampleSize × bytes a sample`, and one more for each of `ahead`.
 *
 * @throws {OptionsError} when an option is unknown or out of range
 * @throws {ScoreError} from the iterator, when a score is not a number of at least 0
 * @example
 * for await (const batch of minibatches(corpus, { batchSize: 32, presampleSize: 128, scorer, seed: 7 })) {
 *   const losses = await myTrainer.step(batch.x, batch.y, batch.weights);
 *   batch.report(losses);
 * }
 */
export const minibatches = (corpus: Corpus, options: MinibatchOptions = {}): Minibatches =>
  new Minibatches(corpus, options);

/** A run of weighted minibatches; see `minibatches`. */
export class Minibatches implements AsyncIterableIterator<WeightedBatch>, AsyncDisposable {
  /** The τ gate of this run. */
  readonly gate: TauGate;
  /** What flowed through each stage and where time was waited. */
  readonly meter = new Meter();
  /** The buffers that are out: samples and bytes. */
  readonly inFlight = new InFlight();
  readonly #values: MinibatchSettings;
  readonly #scorer: Scorer | undefined;
  readonly #onDrop: MinibatchOptions['onDrop'];
  readonly #reported: ReportedScores | undefined;
  readonly #turnstile: ReturnType<typeof createTurnstile>;
  readonly #costs = new Costs();
  readonly #teardown = new AbortController();
  readonly #signal: AbortSignal;
  readonly #source: AsyncGenerator<Minibatch, void, void>;
  readonly #handedOut = new WeakMap<WeightedBatch, number>();
  #unreported = 0;
  #finishedAt = 0;
  #current: WeightedBatch | undefined;
  #asked = Promise.resolve();
  #drawing = 0;
  #ended = false;
  #closing: Promise<void> | undefined;

  constructor(corpus: Corpus, options: MinibatchOptions) {
    const { scorer, signal, onDrop, ...plain } = options;
    this.#onDrop = onDrop;
    this.#values = parseOptions('minibatches()', MinibatchValues, plain);
    this.#reported = scorer === 'reported' ? new ReportedScores() : undefined;
    this.#scorer = scorer === 'reported' ? this.#reported : scorer;
    this.#turnstile = createTurnstile(this.#values.ahead);
    this.gate = this.#scorer ? this.#openGate() : shutGate();
    this.#signal = signal ? AbortSignal.any([signal, this.#teardown.signal]) : this.#teardown.signal;
    this.#source = prefetch(this.#stages(corpus), this.#values.ahead);
  }

  /** Steps that the consumer has taken. */
  get version(): number {
    return this.#turnstile.version;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Disposes the batch before, which counts as a step on it, and draws another. */
  next(): Promise<IteratorResult<WeightedBatch, undefined>> {
    const result = this.#asked.then(async () => {
      this.#current?.dispose();
      this.#current = await this.draw();
      return this.#current ? { done: false as const, value: this.#current } : ended;
    });
    this.#asked = result.then(nothing, nothing);
    return result;
  }

  /**
   * Draws a batch that lives until it is disposed, whatever is drawn after it: for consumers that hold several.
   * @returns undefined at the end
   */
  async draw(): Promise<WeightedBatch | undefined> {
    if (this.#ended) return undefined;
    this.#drawing += 1;
    try {
      this.#signal.throwIfAborted();
      const { value } = await unlessAborted(this.#source.next(), this.#signal);
      if (!value) {
        this.#ended = true;
        return undefined;
      }
      const batch = new WeightedBatch(value, { onReport: this.#note, onFinish: this.#finish });
      this.#handedOut.set(batch, performance.now());
      return batch;
    } catch (error) {
      void this.#close();
      throw error;
    } finally {
      this.#drawing -= 1;
    }
  }

  /** Ends the run: what is in flight is let go of, and the corpus is closed. */
  async return(): Promise<IteratorResult<WeightedBatch, undefined>> {
    await this.#close();
    return ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /**
   * The batches as a Node stream in object mode, for `pipeline`. Each carries its own copy of the columns, so that it
   * stays whole in whatever buffers follow, and a step counts as taken when the next batch is read: with one batch in
   * the buffer, scores are up to two steps old.
   */
  readable(): Readable {
    return asReadable(this.#copies(), 1);
  }

  /**
   * The batches as a `tf.data.Dataset` of `{ xs, ys, weights }`; the consumer owns the tensors. tfjs' own `fitDataset`
   * knows no weights and would train on a biased draw: use `fitImportance` there, and this for loops of your own.
   */
  dataset(): tf.data.Dataset<BatchTensors> {
    return batchDataset(this);
  }

  async *#copies(): AsyncGenerator<WeightedBatch, void, void> {
    try {
      for (let batch = await this.draw(); batch; batch = await this.draw()) {
        yield batch.detach();
        batch.finish();
      }
    } finally {
      await this.return();
    }
  }

  #openGate(): TauGate {
    const { tauThreshold, tauSmoothing, warmUp, hysteresis, presampleSize, batchSize } = this.#values;
    return tauGate({
      tauThreshold,
      tauSmoothing,
      warmUp,
      hysteresis,
      presampleSize,
      batchSize,
      costs: this.#costs,
    });
  }

  /** The stages, each asked by the one after it: nothing is fetched before the trainer wants it. */
  #stages(corpus: Corpus): AsyncGenerator<Minibatch, void, void> {
    const { seed, epochs = Infinity, onBadScore, ahead, held, presampleSize, batchSize, lengths } = this.#values;
    const ringSize = 1 + ahead + held;
    const [gate, signal] = [this.gate, this.#signal];
    const { schema } = corpus;
    const sizes = { presampleSize, batchSize, ringSize, lengths };
    const fill = presample({ schema, gate, inFlight: this.inFlight, signal, onDrop: this.#onDrop, ...sizes });
    const score = importance(this.#scorer, {
      turnstile: this.#turnstile,
      onBadScore,
      onCost: (samples, ms) => this.#costs.scored(samples, ms),
    });
    const draw = resample({ gate, batchSize, seed });
    const fills = this.meter.count('presample', fill)(corpus.samples({ seed, epochs, signal }));
    const scored = this.meter.count('importance', score)(this.#probed(fills));
    return this.meter.count('resample', draw)(scored);
  }

  /** Asks the scorer about a uniform buffer now and then, if the trainer reports nothing. */
  readonly #probed: Stage<Presample, Presample> = async function* (
    this: Minibatches,
    source: AsyncIterable<Presample>,
  ) {
    for await (const buffer of source) {
      try {
        if (buffer.phase === 'uniform') await this.#probe(buffer);
      } catch (error) {
        buffer.dispose();
        throw error;
      }
      yield buffer;
    }
  }.bind(this);

  async #probe(buffer: Presample): Promise<void> {
    if (!this.#scorer || this.#reported || this.#unreported < this.#values.probeEvery) return;
    this.#unreported = 0;
    const scores = expectScores('minibatches(): the scorer', buffer.ids, await this.#scorer.score(buffer));
    this.gate.observe(scores);
  }

  readonly #note = (batch: WeightedBatch, scores: Float32Array): void => {
    this.#reported?.report(batch.ids, scores);
    if (batch.phase === 'uniform') this.gate.observe(scores);
  };

  readonly #finish = (batch: WeightedBatch): void => {
    const now = performance.now();
    // With several batches out, a step began when the one before it ended.
    this.#costs.trained(batch.size, now - Math.max(this.#handedOut.get(batch) ?? now, this.#finishedAt));
    this.#finishedAt = now;
    this.#turnstile.stepped();
    this.#unreported = batch.isReported || batch.phase === 'importance' ? 0 : this.#unreported + 1;
  };

  /** Lets go of everything, and waits for the stages to end unless one may be waiting for somebody else. */
  #close(): Promise<void> {
    this.#closing ??= this.#letGo();
    return this.#closing;
  }

  async #letGo(): Promise<void> {
    const isIdle = this.#drawing === 0 && this.#values.ahead === 0;
    this.#ended = true;
    this.#current?.dispose();
    this.#teardown.abort();
    const closed = this.#source.return().catch(() => {}); // nobody wants what it would have given
    if (isIdle) await closed;
    this.inFlight.clear();
  }
}

const nothing = () => undefined;
const ended = { done: true, value: undefined } as const;
