import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { fileURLToPath } from 'node:url';
import type { Case } from '../engine-cases.ts';

/** Milliseconds a step: of the clock and of processors. */
export type Times = readonly [wall: number, cpu: number];

/** The peers' Python, whether it is there or not. */
export const python = fileURLToPath(new URL('.venv/bin/python', import.meta.url));

/** A peer: a Python process that runs a round when it is asked to, and rests otherwise. */
export async function startPeer(script: string) {
  if (!existsSync(python)) return undefined;
  const child: ChildProcess = spawn(python, [fileURLToPath(new URL(script, import.meta.url))], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  if (!child.stdout || !child.stdin) return undefined;
  const { stdin } = child;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async () => String((await lines.next()).value);
  const name = await nextLine();
  if (name === 'undefined') return undefined; // it ended: its library is not there
  return {
    name,
    round: async ({ name: which, steps }: Case) => {
      stdin.write(`${which} ${steps}\n`);
      const [wall = NaN, cpu = NaN] = (await nextLine()).split(' ').map(Number);
      return [wall, cpu] as Times;
    },
    stop: () => child.kill(),
  };
}
