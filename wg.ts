import { useEngine } from '/work/wt-engines/src/engine/use-engine.ts';
import { conformanceCases, runConformance } from '/work/wt-engines/src/engine/conformance/run-conformance.ts';
import { conformanceLine } from '/work/wt-engines/src/engine/conformance/report.ts';
const [engine, pattern] = process.argv.slice(2);
const cases = conformanceCases.filter((c) => new RegExp(pattern!).test(`${c.group} ${c.name}`));
for await (const r of runConformance(await useEngine(engine as 'wasm'), cases)) console.log(conformanceLine(r).slice(0, 300), Math.round(r.milliseconds));
