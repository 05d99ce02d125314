import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { duration, significant, whole } from '../format.ts';
import { fleetFile } from '../fleet-file.ts';
import { escape } from '../html-page.ts';
import { readRunFile, type Run } from '../run-file.ts';

/** A run below the folder that is watched. */
export interface ListedRun {
  readonly name: string;
  readonly run: Run;
  /** When it wrote last, in milliseconds since 1970. */
  readonly changed: number;
  /** Changes whenever the run has written something. */
  readonly stamp: string;
}

/** The runs in a folder, last changed first. Folders that are no runs are left out. */
export async function listRuns(folder: string): Promise<ListedRun[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []); // not there yet
  const folders = entries.filter((entry) => entry.isDirectory());
  const listed = await Promise.all(folders.map(({ name }) => findRun(join(folder, name))));
  return listed.flatMap((run) => run ?? []).toSorted((a, b) => b.changed - a.changed);
}

/** The run whose folder this is, if it is one's. */
export async function findRun(folder: string): Promise<ListedRun | undefined> {
  const run = await readRunFile(join(folder, 'run.json')).catch(() => undefined); // no run
  if (!run) return undefined;
  const stamps = await Promise.all(['run.json', 'metrics.jsonl', fleetFile].map((file) => stampOf(join(folder, file))));
  const changed = Math.max(...stamps.map(([time]) => time));
  return { name: basename(resolve(folder)), run, changed, stamp: stamps.join() };
}

const stampOf = async (path: string): Promise<[number, number]> => {
  const { mtimeMs, size } = await stat(path).catch(() => ({ mtimeMs: 0, size: 0 })); // not written yet
  return [mtimeMs, size];
};

/** The list as HTML. */
export function listMain(runs: readonly ListedRun[]): string {
  if (runs.length === 0) return '<h1>Runs</h1><p>None yet: start one with <code>taustream train FILE</code>.</p>';
  const rows = runs.map(({ name, run }) => {
    const { summary } = run;
    const end = summary
      ? `${whole(summary.steps)} steps in ${duration(summary.seconds)}, loss ${significant(summary.lastLoss)}`
      : '';
    return `<tr><td><a href="/runs/${encodeURIComponent(name)}">${escape(name)}</a></td><td class="${run.status}">${run.status}</td><td>${escape(run.startedAt.slice(0, 19).replace('T', ' '))}</td><td>${escape(end)}</td></tr>`;
  });
  return `<h1>Runs</h1><table><tr><th>run</th><th>status</th><th>begun (UTC)</th><th>end</th></tr>${rows.join('')}</table>`;
}
