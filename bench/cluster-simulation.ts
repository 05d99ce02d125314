/**
 * A discrete-event simulation of a fleet: how many workers keep a trainer busy, and how old scores become.
 *
 * Workers ask for room, score a presample, and send the drawn rows over a link that all share; the trainer takes them in the
 * order in which they come. Parameters go out over the same link every so many steps, and each worker reads them.
 *
 *     npx tsx bench/cluster-simulation.ts --check [--steps 150]
 *     npx tsx bench/cluster-simulation.ts --workers 1,2,8,64,512,4096 --score-ms 40 --step-ms 10 --part-kb 32 --parameters-mb 1 --link-mb 1000
 *
 * `--check` measures small fleets on this machine beside it: a real server, trainer and workers, of which only scoring and
 * stepping are waits of the same lengths, so that the machine's cores are no part of the result. What differs then is what
 * the model leaves out: round trips, and the turns of one event loop. The shared link is not checked.
 */
import { parseArgs } from 'node:util';
import { measureFleet } from './cluster/measured-fleet.ts';
import { simulate, type FleetModel, type SimulatedFleet } from './cluster-model.ts';

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    workers: text,
    'score-ms': text,
    'step-ms': text,
    'part-kb': text,
    'parameters-mb': text,
    'link-mb': text,
    every: text,
    steps: text,
    jitter: text,
    ahead: text,
    check: { type: 'boolean', default: false },
  },
});
const number = (name: keyof typeof values, otherwise: number) => Number(values[name] ?? otherwise);
if (values.check) await check();
else simulateAll();

function simulateAll(): void {
  for (const workers of (values.workers ?? '1,2,4,8,64,512,4096').split(',').map(Number)) {
    const result = simulate({
      workers,
      scoreMs: number('score-ms', 40),
      stepMs: number('step-ms', 10),
      partBytes: 1000 * number('part-kb', 32),
      parameterBytes: 1e6 * number('parameters-mb', 1),
      linkBytesPerMs: 1000 * number('link-mb', 1000),
      parametersEvery: number('every', 1),
      steps: number('steps', 2000),
      jitter: number('jitter', 0.2),
      ...(values.ahead !== undefined && { ahead: Number(values.ahead) }),
      seed: 7,
    });
    console.log(JSON.stringify({ workers, ...result }));
  }
}

/** Prints what is simulated and what is measured, and by how much they differ. */
async function check(): Promise<void> {
  const base = {
    scoreMs: 80,
    stepMs: 20,
    partBytes: 1000,
    parameterBytes: 3000,
    linkBytesPerMs: 1e6,
    jitter: 0.2,
    seed: 7,
  };
  const cases = [
    { workers: 1, parametersEvery: 1 },
    { workers: 2, parametersEvery: 1 },
    { workers: 3, parametersEvery: 1 },
    { workers: 6, parametersEvery: 1 },
    { workers: 6, parametersEvery: 10 },
  ];
  const names = ['stepsPerSecond', 'busyShare', 'meanAge', 'largestAge'] as const;
  console.log(`${base.scoreMs} ms to score a presample, ${base.stepMs} ms a step, each ± ${100 * base.jitter} %`);
  console.log(
    `| workers | parameters every | ${names.map((name) => `${name}: simulated, measured, difference`).join(' | ')} |`,
  );
  console.log(`|${' --- |'.repeat(2 + names.length)}`);
  for (const one of cases) {
    const model: FleetModel = { ...base, ...one, steps: 2000 };
    const [simulated, measured] = [simulate(model), await measureFleet({ ...model, steps: number('steps', 150) })];
    const cells = names.map((name) => compared(name, simulated, measured));
    console.log(`| ${[one.workers, one.parametersEvery, ...cells].join(' | ')} |`);
  }
}

function compared(
  name: keyof SimulatedFleet,
  simulated: SimulatedFleet,
  measured: Omit<SimulatedFleet, 'linkShare'>,
): string {
  const [own, other] = [simulated[name], measured[name as keyof typeof measured]];
  const isAge = name.endsWith('Age');
  const difference = isAge ? `${(other - own).toFixed(1)} steps` : `${(100 * (other / own - 1)).toFixed(1)} %`;
  return `${own.toPrecision(3)}, ${other.toPrecision(3)}, ${difference}`;
}
