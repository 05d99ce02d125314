import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const bin = fileURLToPath(new URL('../../src/cli/bin.js', import.meta.url));

/** A command line in a process of its own, which can be killed. */
export class Running {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  said = '';
  told = '';
  #watchers: (() => void)[] = [];

  constructor(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    this.child = spawn(process.execPath, [bin, ...args], {
      env: { ...process.env, NODE_OPTIONS: '', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.told += text));
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.said += text;
      for (const watch of this.#watchers) watch();
    });
    this.ended = once(this.child, 'close').then(([code]) => code as number | null);
  }

  /** Resolves when it has said something that matches; rejects when it ends before. */
  async says(pattern: RegExp): Promise<void> {
    const said = new Promise<void>((resolve) => {
      const watch = () => pattern.test(this.said) && resolve();
      this.#watchers.push(watch);
      watch();
    });
    const ended = this.ended.then((code) => {
      throw new Error(`ended with ${code} before it said ${String(pattern)}:\n${this.said}`);
    });
    await Promise.race([said, ended]);
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }
}
