import { Room } from '../src/cluster/room.ts';
import { createRng } from '../src/stream/random.ts';

/** A fleet as the simulation has it. Sizes in bytes, times in milliseconds. */
export interface FleetModel {
  readonly workers: number;
  /** To score one presample on one worker. */
  readonly scoreMs: number;
  readonly stepMs: number;
  /** What is drawn from a presample, on the wire. */
  readonly partBytes: number;
  readonly parameterBytes: number;
  /** What the server's link carries in all; a part crosses it twice, in and out. */
  readonly linkBytesPerMs: number;
  readonly parametersEvery: number;
  /** Presamples under way or waiting for the trainer, at most. @default as few as keep it busy */
  readonly ahead?: number;
  readonly steps: number;
  /** By how much times vary: each is multiplied by 1 ± jitter. */
  readonly jitter: number;
  readonly seed: number;
}

export interface SimulatedFleet {
  /** Share of the time that the trainer trains. */
  readonly busyShare: number;
  readonly stepsPerSecond: number;
  /** Steps that scores were old when they were trained by. */
  readonly meanAge: number;
  readonly largestAge: number;
  /** Share of the link's capacity that is used. */
  readonly linkShare: number;
}

/** Runs a fleet's events in the order of their times. */
export function simulate(model: FleetModel): SimulatedFleet {
  const { workers, scoreMs, stepMs, partBytes, parameterBytes, linkBytesPerMs, parametersEvery, ahead, steps, jitter } =
    model;
  const rng = createRng(model.seed, 'fleet');
  const vary = (ms: number) => ms * (1 + jitter * (2 * rng.uniform() - 1));
  const events = new Timeline();
  const room = new Room();
  let isWaiting = false;
  const ready: number[] = [];
  const idle = Array.from({ length: workers }, () => -1); // the version that each holds
  let [underWay, version, isTraining, linkFreeAt, linkMs, ageSum, largestAge, now] = [0, 0, false, 0, 0, 0, 0, 0];

  const carry = (bytes: number, then: () => void) => {
    const duration = bytes / linkBytesPerMs;
    linkFreeAt = Math.max(now, linkFreeAt) + duration;
    linkMs += duration;
    events.add(linkFreeAt, then);
  };
  const score = (held: number) => {
    const newest = version - (version % parametersEvery);
    const begin = () => events.add(now + vary(scoreMs), () => carry(2 * partBytes, () => deliver(newest)));
    if (held >= newest) begin();
    else carry(parameterBytes, begin);
  };
  const deliver = (scoredBy: number) => {
    ready.push(scoredBy);
    idle.push(scoredBy);
    next();
  };
  const next = () => {
    while (idle.length > 0 && underWay < (ahead ?? room.size)) {
      underWay += 1;
      score(idle.shift()!);
    }
    if (isTraining) return;
    if (ready.length === 0) {
      if (!isWaiting) room.starved(workers);
      isWaiting = true;
      return;
    }
    isTraining = true;
    isWaiting = false;
    room.took(ready.length - 1);
    const age = version - ready.shift()!;
    ageSum += age;
    largestAge = Math.max(largestAge, age);
    underWay -= 1;
    events.add(now + vary(stepMs), () => {
      isTraining = false;
      version += 1;
      next();
    });
  };
  next();
  for (let event = events.take(); event; event = events.take()) {
    now = event.at;
    event.run();
    if (version >= steps) break;
  }
  return {
    busyShare: (steps * stepMs) / now,
    stepsPerSecond: (1000 * version) / now,
    meanAge: ageSum / version,
    largestAge,
    linkShare: linkMs / now,
  };
}

interface Event {
  readonly at: number;
  readonly run: () => void;
}

/** Events by their time: a binary heap. */
class Timeline {
  readonly #heap: Event[] = [];

  add(at: number, run: () => void): void {
    const heap = this.#heap;
    let i = heap.push({ at, run }) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (heap[parent]!.at <= heap[i]!.at) return;
      [heap[i], heap[parent]] = [heap[parent]!, heap[i]!];
      i = parent;
    }
  }

  take(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last || heap.length === 0) return first;
    heap[0] = last;
    for (let i = 0; ;) {
      const [left, right] = [2 * i + 1, 2 * i + 2];
      let least = i;
      if (left < heap.length && heap[left]!.at < heap[least]!.at) least = left;
      if (right < heap.length && heap[right]!.at < heap[least]!.at) least = right;
      if (least === i) return first;
      [heap[i], heap[least]] = [heap[least]!, heap[i]!];
      i = least;
    }
  }
}
