/**
 * Brings parts to a trainer at next to no cost: `player.ts TASK ENGINE URL PARTS`. It scores so many parts once, and then
 * sends these again and again under whatever number a job asks for, as two workers would whose scoring takes no time. So
 * the trainer receives what a fleet on other machines sends it, and nobody scores on its cores.
 */
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { WorkerOptions } from '../../src/cluster/cluster-options.ts';
import { connectTo } from '../../src/cluster/connect.ts';
import { Deliveries } from '../../src/cluster/deliveries.ts';
import { fingerprintOf, orderOf } from '../../src/cluster/fingerprint.ts';
import { JobScoring } from '../../src/cluster/job-scoring.ts';
import { packPart } from '../../src/cluster/part.ts';
import {
  Job,
  protocolVersion,
  subjectsOf,
  unpack,
  workersConsumer,
  type Settings,
} from '../../src/cluster/protocol.ts';
import { schemeFor, valuesOf } from '../../src/cluster/settings.ts';
import { TrainerLine, type DeliveryVerdict } from '../../src/cluster/trainer-line.ts';
import { fuse } from '../../src/engine/layers/fuse.ts';
import type { EngineName } from '../../src/engine/engine.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import { openHead } from '../../src/model/head.ts';
import { parseOptions } from '../../src/options.ts';
import { tasks } from '../tasks/tasks.ts';
import { oneThread, readOnce, runName } from './processes.ts';

const [task, engineName, url, count] = process.argv.slice(2) as [string, EngineName, string, string];
const pipeline = readOnce(tasks[task]!);
const engine = await useEngine(engineName, oneThread(engineName));
const settings = parseOptions('player', WorkerOptions, { url, run: runName });
const connection = await connectTo(settings, 'taustream player');
const subjects = subjectsOf(runName);
const { signal } = new AbortController();
let recorded: Uint8Array[] | undefined;
let fingerprint: Promise<Record<string, string>> | undefined;

await Promise.all([play(), play()]);

/** Works for one life of a trainer after another, until it is killed. */
async function play(): Promise<never> {
  for (;;) {
    const line = new TrainerLine(connection, subjects, settings, signal);
    const welcome = await line.ask({ kind: 'hello', protocol: protocolVersion });
    if (welcome?.kind !== 'welcome') {
      await sleep(100);
      continue;
    }
    line.incarnation = welcome.incarnation;
    const values = valuesOf(welcome.settings);
    const joined = await line.ask({ kind: 'join', machine: hostname(), fingerprint: await prepared(welcome.settings) });
    if (joined?.kind !== 'joined') continue;
    process.stdout.write('joined\n');
    while ((await playJob(line, values.presampleSize)) && (await line.isKnown()));
  }
}

/** Scores the parts, once. @returns what the trainer knows its own by */
function prepared(given: Settings): Promise<Record<string, string>> {
  return (fingerprint ??= record(given));
}

async function record(given: Settings): Promise<Record<string, string>> {
  const values = valuesOf(given);
  const context = { seed: values.seed, engine };
  const corpus = await pipeline.openCorpus(context);
  const model = await pipeline.buildModel({ ...context, corpus });
  fuse(model);
  const order = orderOf(corpus.train, values);
  const scheme = schemeFor(given, pipeline.options.scheme);
  const scoring = new JobScoring({ head: openHead(model), scheme, values, corpus: corpus.train, order });
  const [from, to] = [0, Number(count) * values.presampleSize];
  const { presamples } = scoring.open({ from, to, phase: 'importance' }, signal);
  const parts: Uint8Array[] = [];
  for await (const presample of presamples) {
    using held = presample;
    parts.push(packPart(await scoring.score({ job: 0, phase: 'importance' }, parts.length, held, 0)));
  }
  recorded = parts;
  return fingerprintOf(runName, corpus, model, order);
}

/** @returns whether the trainer is still the same */
async function playJob(line: TrainerLine, presampleSize: number): Promise<boolean> {
  const consumer = await jetstream(connection.nats)
    .consumers.get(subjects.jobsStream, workersConsumer)
    .catch(() => undefined); // the run is over
  const message = await consumer?.next({ expires: 1000 }).catch(() => null);
  if (!message) return true; // the caller asks
  const { job, incarnation, from, to } = unpack('Job', Job, message.data);
  if (incarnation !== line.incarnation) return false;
  const parts = Math.ceil((to - from) / presampleSize);
  const deliveries = new Deliveries<DeliveryVerdict>();
  for (let part = 0; part < parts; part++) {
    const offered = await line.untilAnswered({ kind: 'offer', job, part });
    if (offered.kind === 'duplicate') continue;
    if (offered.kind !== 'go') return offered.kind === 'done';
    const bytes = recorded![(job * parts + part) % recorded!.length]!;
    const number = part;
    const before = await deliveries.begin('taken', () => line.deliver(job, number, bytes));
    if (before !== undefined && before !== 'taken') return before === 'done';
  }
  const last = await deliveries.settled();
  if (last !== undefined && last !== 'taken') return last === 'done';
  const ended = await line.untilAnswered({ kind: 'end', job, parts, samples: to - from, left: 0 });
  await message.ackAck().catch(() => false); // else it comes again, and is found done
  return ended.kind === 'done';
}
