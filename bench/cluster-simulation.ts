/**
 * A discrete-event simulation of a fleet: how many workers keep a trainer busy, and how old scores become.
 *
 * Workers ask for room, score a presample, and send the drawn rows over a link that all share; the trainer takes them in the
 * order in which they come. Parameters go out over the same link every so many steps, and each worker reads them.
 *
 *     npx tsx bench/cluster-simulation.ts --workers 1,2,8,64,512,4096 --score-ms 40 --step-ms 10 --part-kb 32 --parameters-mb 1 --link-mb 1000
 */
import { parseArgs } from 'node:util';
import { simulate } from './cluster-model.ts';

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
  },
});
const number = (name: keyof typeof values, otherwise: number) => Number(values[name] ?? otherwise);
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
