import { cases } from './engine-cases.ts';

/*
 * One case of bench/engines.ts in a process of its own: prints megabytes at most resident when the engine was ready and
 * at the end, and the milliseconds of the first call.
 * Run: npx tsx bench/engine-memory.ts CASE
 */
const steps = 10;
const megabytes = () => process.resourceUsage().maxRSS / 1024;

const asked = cases.find(({ name }) => name === process.argv[2]);
if (!asked) throw new RangeError(`expected one of ${cases.map(({ name }) => name).join(', ')}, got ${process.argv[2]}`);
const ready = megabytes();
const step = asked.make();
const begun = performance.now();
let first = 0;
for (let i = 0; i < steps; i++) {
  const loss = step();
  loss.dataSync();
  loss.dispose();
  if (i === 0) first = performance.now() - begun;
}
console.log(ready, megabytes(), first);
