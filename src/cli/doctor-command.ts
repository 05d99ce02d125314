import { type Command, Option } from 'commander';
import { engineNames, type Engine, type EngineName } from '../engine/engine.ts';
import { type ConformanceGroup, conformanceGroups } from '../engine/conformance/case.ts';
import type { Host } from './host.ts';

interface DoctorFlags {
  readonly conformance?: boolean;
  readonly only?: readonly ConformanceGroup[];
  readonly engine?: EngineName | 'auto';
}

/** `taustream doctor` */
export function addDoctorCommand(program: Command, host: Host, exit: (code: number) => void): void {
  program
    .command('doctor')
    .description('Says what this machine has and lacks for the fast engine, and the command that mends it.')
    .option('--conformance', 'also hold an engine against the plain one, case by case')
    .addOption(new Option('--only <groups...>', 'kinds of cases; all, if left out').choices(conformanceGroups))
    .addOption(new Option('--engine <name>', 'the engine to hold').choices([...engineNames, 'auto']).default('auto'))
    .action(async (flags: DoctorFlags) => exit(await doctor(flags, host)));
}

/** @returns 0 when nothing needs mending and every case agrees, else 1 */
async function doctor({ conformance = false, engine = 'auto', only }: DoctorFlags, host: Host): Promise<number> {
  const { diagnose } = await import('../engine/tensorflow/diagnose.ts');
  const checks = await diagnose();
  const { green, red, yellow } = host.colors;
  for (const { name, ok, detail, remedy } of checks) {
    host.stdout.write(`${ok ? green('ok  ') : red('lack')}  ${name}: ${detail}\n`);
    if (remedy !== undefined) host.stdout.write(`      ${yellow(remedy)}\n`);
  }
  const used = await host.useEngine(engine);
  host.stdout.write(`\nEngine: ${used.name} (${used.description})\n`);
  const holds = conformance || only ? await holdAgainstReference(used, host, only ?? conformanceGroups) : true;
  return holds && checks.every(({ ok }) => ok) ? 0 : 1;
}

async function holdAgainstReference(engine: Engine, host: Host, groups: readonly ConformanceGroup[]): Promise<boolean> {
  const { conformanceCases, runConformance } = await import('../engine/conformance/run-conformance.ts');
  const { conformanceLine, conformanceReport } = await import('../engine/conformance/report.ts');
  const cases = conformanceCases.filter(({ group }) => groups.includes(group));
  const results = [];
  for await (const result of runConformance(engine, cases)) {
    results.push(result);
    host.stderr.write(`${conformanceLine(result)}\n`);
  }
  host.stdout.write(`\n${conformanceReport(engine, results)}\n`);
  return results.every(({ status }) => status !== 'failed');
}
