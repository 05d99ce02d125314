import { setTimeout as sleep } from 'node:timers/promises';
import type * as tf from '@tensorflow/tfjs';
import type { Connection } from './connect.ts';
import { fetchParameters, setParameters, type FetchedParameters } from './parameters.ts';
import type { Subjects } from './protocol.ts';
import type { TrainerLine } from './trainer-line.ts';

/** Times that parameters are asked for, with a little more patience each time. */
const mostFetches = 8;

export interface WorkerParametersOptions {
  readonly connection: Connection;
  readonly subjects: Subjects;
  readonly line: TrainerLine;
  readonly model: tf.LayersModel;
  /** Publications that newer parameters may be ahead of those in use. */
  readonly versionsBehind: number;
}

/** A worker's copy of the trainer's parameters: fetched while it scores, and waited for when they are too old. */
export class WorkerParameters {
  readonly #connection: Connection;
  readonly #subjects: Subjects;
  readonly #line: TrainerLine;
  readonly #model: tf.LayersModel;
  readonly #versionsBehind: number;
  #held: FetchedParameters | undefined;
  #fresh: FetchedParameters | undefined;
  #fetching: Promise<void> | undefined;

  constructor({ connection, subjects, line, model, versionsBehind }: WorkerParametersOptions) {
    this.#connection = connection;
    this.#subjects = subjects;
    this.#line = line;
    this.#model = model;
    this.#versionsBehind = versionsBehind;
  }

  /** Steps that the model's parameters have taken. */
  get version(): number {
    return this.#held?.manifest.version ?? 0;
  }

  /** Makes sure of parameters that are new enough. @returns whether there are some */
  async refresh(newest: number): Promise<boolean> {
    const isBehind = () => newest - (this.#fresh?.manifest.number ?? -Infinity);
    const fetching = () => (this.#fetching ??= this.#fetch().finally(() => (this.#fetching = undefined)));
    if (isBehind() > 0 && isBehind() <= this.#versionsBehind) void fetching().catch(() => {}); // asked for again
    for (let attempt = 1; isBehind() > this.#versionsBehind; attempt++)
      try {
        await fetching();
        if (isBehind() > this.#versionsBehind && attempt >= mostFetches) return false;
      } catch (error) {
        if (!(await this.#line.isKnown())) return false; // the run is over, and its parameters are gone
        if (attempt >= mostFetches) throw error;
        await sleep(200 * attempt);
      }
    this.#use();
    return true;
  }

  async #fetch(): Promise<void> {
    const fetched = await fetchParameters(this.#connection, this.#subjects);
    if (fetched.manifest.incarnation === this.#line.incarnation) this.#fresh = fetched;
  }

  #use(): void {
    if (!this.#fresh || this.#fresh === this.#held) return;
    setParameters(this.#model, this.#fresh);
    this.#held = this.#fresh;
  }
}
