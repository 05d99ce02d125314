import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';

/** Chromium, if it is here. */
export const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

const flags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-sync',
  '--disable-background-networking',
  '--disable-component-update',
  '--remote-debugging-pipe',
];

interface Answer {
  readonly id?: number;
  readonly result?: Record<string, unknown>;
}

/** One page in a headless Chromium, spoken to by the DevTools protocol over a pipe: JSON, each ended by a zero byte. */
export class Browser implements AsyncDisposable {
  readonly #child;
  readonly #waiting = new Map<number, (result: Record<string, unknown>) => void>();
  #session: string | undefined;
  #id = 0;

  private constructor(program: string, profile: string) {
    this.#child = spawn(program, [...flags, `--user-data-dir=${profile}`, '--window-size=1200,1000'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    });
    let rest = '';
    (this.#child.stdio[4] as Readable).setEncoding('utf8').on('data', (chunk: string) => {
      const messages = (rest + chunk).split('\0');
      rest = messages.pop()!;
      for (const message of messages) {
        const { id, result = {} }: Answer = JSON.parse(message);
        if (id !== undefined) this.#waiting.get(id)?.(result);
      }
    });
  }

  static async open(profile: string, url: string): Promise<Browser> {
    const browser = new Browser(chromium!, profile);
    const { targetId } = await browser.send('Target.createTarget', { url });
    const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: true });
    browser.#session = String(sessionId);
    return browser;
  }

  send(method: string, params: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const id = ++this.#id;
    const sessionId = this.#session;
    (this.#child.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  /** The value of an expression on the page. */
  async evaluate(expression: string): Promise<unknown> {
    const { result } = await this.send('Runtime.evaluate', { expression, returnByValue: true });
    return (result as { value?: unknown } | undefined)?.value;
  }

  async screenshot(): Promise<Buffer> {
    const { data } = await this.send('Page.captureScreenshot', { captureBeyondViewport: true });
    return Buffer.from(String(data), 'base64');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#child, 'close');
    this.#child.kill();
    await closed;
  }
}
