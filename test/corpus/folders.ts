import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Sample } from '../../src/stream/sample.ts';

/** A folder of its own for each test, removed after it. Call inside `describe`. */
export function temporaryFolder(): { readonly path: string; write(name: string, data: string | Uint8Array): string } {
  let path = '';
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'taustream-test-'));
  });
  afterEach(() => rmSync(path, { recursive: true, force: true }));
  return {
    get path() {
      return path;
    },
    write(name, data) {
      const file = join(path, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, data);
      return file;
    },
  };
}

/** Files below `folder` that this process holds open; undefined where the system does not tell. */
export function openFiles(folder: string): string[] | undefined {
  if (process.platform !== 'linux') return undefined;
  return readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return ''; // the descriptor that listed the folder is gone by now
      }
    })
    .filter((path) => path.startsWith(folder));
}

export async function collect(samples: AsyncIterable<Sample>): Promise<Sample[]> {
  const all: Sample[] = [];
  for await (const sample of samples) all.push(sample);
  return all;
}

export async function ids(samples: AsyncIterable<Sample>): Promise<string[]> {
  return (await collect(samples)).map(({ id }) => id);
}
