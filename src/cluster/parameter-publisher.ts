import type * as tf from '@tensorflow/tfjs';
import type { Connection } from './connect.ts';
import { publishParameters, takeParameters, type TakenParameters } from './parameters.ts';
import type { Subjects } from './protocol.ts';

export interface PublisherOptions {
  readonly connection: Connection;
  readonly subjects: Subjects;
  readonly incarnation: string;
  readonly model: tf.LayersModel;
  /** Steps after which the parameters are new enough to be published again. */
  readonly every: number;
}

/** Publishes the trainer's parameters while it goes on: one publication at a time, always of the newest. */
export class ParameterPublisher {
  readonly #options: PublisherOptions;
  #number = 0;
  #published = 0;
  #taken = -Infinity;
  #underWay: Promise<void> | undefined;
  #last: { readonly parameters: TakenParameters; readonly version: number } | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** The newest publication that is on the server, from 1. */
  get published(): number {
    return this.#published;
  }

  /** Publishes the parameters as they are now, if they are new enough and nothing is on its way. */
  offer(version: number): void {
    if (this.#underWay || version - this.#taken < this.#options.every) return;
    // What goes wrong here is an outage of the server: then they are published again when it is back.
    this.#underWay = this.publish(version)
      .catch(() => {})
      .finally(() => (this.#underWay = undefined));
  }

  async publish(version: number): Promise<void> {
    this.#taken = version;
    this.#last = { parameters: await takeParameters(this.#options.model), version };
    await this.again();
  }

  /** Publishes what was taken last once more: the server may have lost it. */
  async again(): Promise<void> {
    if (!this.#last) return;
    const { connection, subjects, incarnation } = this.#options;
    const number = (this.#number += 1);
    const { parameters, version } = this.#last;
    await publishParameters(connection, subjects, parameters, { incarnation, number, version });
    this.#published = Math.max(this.#published, number);
  }

  async settle(): Promise<void> {
    await this.#underWay;
  }
}
