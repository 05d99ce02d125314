import { join } from 'node:path';
import type { Command } from 'commander';
import { writeAtomically } from '../atomic-file.ts';
import { RunError, messageOf } from '../errors.ts';
import { runPage } from '../report/run-page/page.ts';
import { readRun } from '../report/run-page/read-run.ts';
import type { Host } from './host.ts';

/** `taustream report RUN` */
export function addReportCommand(program: Command, host: Host): void {
  program
    .command('report')
    .description('Makes one HTML page of a run: curves, the gate, scores, samples drawn most, options.')
    .argument('<RUN>', "a run's folder, such as runs/moby-dick")
    .option('--out <file>', 'where the page goes (default: report.html in the folder)')
    .action(async (folder: string, { out = join(folder, 'report.html') }: { out?: string }) => {
      const html = runPage(await readRun(folder));
      await writeAtomically(out, html).catch((cause: unknown) => {
        const reason = messageOf(cause);
        throw new RunError(`${out}: cannot be written: ${reason}. Name another file with --out.`, { out }, { cause });
      });
      host.stdout.write(`${out}\n`);
    });
}
