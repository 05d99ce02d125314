import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { OutgoingMessage, request } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { writeFleetFile } from '../../../src/report/fleet-file.ts';
import { watchRuns, type WatchOptions } from '../../../src/report/watch/watch-server.ts';
import { fleetAt, lineAt, writeRun } from '../a-run.ts';
import { Browser, chromium } from './browser.ts';

describe('watchRuns', () => {
  let base: string;
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'taustream-watch-'));
    await writeRun(join(base, 'speech es'), 10);
  });
  afterEach(() => rm(base, { recursive: true }));
  const start = (options: Partial<WatchOptions> = {}) => watchRuns({ folder: base, port: 0, everyMs: 20, ...options });

  it('lists runs, shows one, and sends what it shows when it changes', async () => {
    await using server = await start();
    assert.match(await (await fetch(server.url)).text(), /<a href="\/runs\/speech%20es">speech es<\/a>/);
    assert.match(await (await fetch(`${server.url}runs/speech%20es`)).text(), /10 steps/);
    const stop = new AbortController();
    const events = await fetch(`${server.url}events/runs/speech%20es`, { signal: stop.signal });
    assert.equal(events.headers.get('content-type'), 'text/event-stream');
    let got = '';
    for await (const chunk of events.body!) {
      got += Buffer.from(chunk).toString();
      const sent = [...got.matchAll(/^data: (".*")$/gm)].map(([, json]) => JSON.parse(json!) as string);
      if (sent.length === 1 && got.endsWith('\n\n'))
        await appendFile(join(base, 'speech es', 'metrics.jsonl'), lineAt(11));
      if (sent.length < 2) continue;
      assert.match(sent[0]!, /10 steps/);
      assert.match(sent[1]!, /11 steps/);
      break;
    }
    stop.abort();
  });

  it('shows the one run whose folder it watches', async () => {
    await using server = await start({ folder: join(base, 'speech es') });
    const html = await (await fetch(server.url)).text();
    assert.match(html, /10 steps/);
    assert.doesNotMatch(html, /<h1>Runs/);
  });

  it('writes nothing to a browser that has left while the folder was read', async () => {
    const written: boolean[] = [];
    const own = Object.getOwnPropertyDescriptor(OutgoingMessage.prototype, 'write')!;
    OutgoingMessage.prototype.write = function (this: OutgoingMessage, ...all: unknown[]) {
      written.push(this.writableEnded);
      return Reflect.apply(own.value as () => boolean, this, all);
    };
    try {
      for (let i = 0; i < 5; i++) {
        const server = await start();
        const events = await fetch(`${server.url}events/`);
        await server[Symbol.asyncDispose](); // the first look is under way
        await events.body?.cancel().catch(() => {}); // cut off
        await wait(50);
      }
    } finally {
      Object.defineProperty(OutgoingMessage.prototype, 'write', own);
    }
    assert.ok(written.length >= 5);
    assert.ok(!written.includes(true), 'written after its end');
  });

  it('sends how the fleet is, though no step was taken since', async () => {
    const folder = join(base, 'speech es');
    await using server = await start();
    writeFleetFile(folder, fleetAt(1));
    const stop = new AbortController();
    const events = await fetch(`${server.url}events/runs/speech%20es`, { signal: stop.signal });
    let got = '';
    for await (const chunk of events.body!) {
      got += Buffer.from(chunk).toString();
      const sent = [...got.matchAll(/^data: (".*")$/gm)].map(([, json]) => JSON.parse(json!) as string);
      if (sent.length === 1 && got.endsWith('\n\n'))
        writeFleetFile(folder, { ...fleetAt(1), workers: fleetAt(1).workers.slice(1) });
      if (sent.length < 2) continue;
      assert.match(sent[0]!, /2 workers score/);
      assert.match(sent[1]!, /1 workers score/);
      break;
    }
    stop.abort();
  });

  it('answers nothing but runs, and nothing outside of the folder', async () => {
    await using server = await start();
    for (const path of ['nowhere', 'runs/nowhere', 'runs/..%2f..%2fetc', 'events/', 'events/nowhere'])
      assert.equal((await fetch(`${server.url}${path}`)).status, path === 'events/' ? 200 : 404, path);
    assert.equal((await fetch(server.url, { method: 'POST' })).status, 405);
  });

  it('turns pages of other sites away, and asks for a token where other machines can connect', async () => {
    await using server = await start();
    const { port } = new URL(server.url);
    const status = (host: string) =>
      new Promise((resolve) =>
        request(
          { port, headers: { host } },
          (response) => void text(response).then(() => resolve(response.statusCode)),
        ).end(),
      );
    assert.equal(await status(`localhost:${port}`), 200);
    assert.equal(await status('evil.example'), 403);
    await assert.rejects(start({ host: '0.0.0.0' }), { code: 'ERR_OPTIONS', message: /expected a token/ });
    await using open = await start({ host: '0.0.0.0', token: 'secret' });
    const here = open.url.replace('0.0.0.0', '127.0.0.1');
    assert.equal((await fetch(here)).status, 200);
    assert.equal((await fetch(here.replace('secret', 'guess'))).status, 401);
  });

  it('refuses a port that is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as AddressInfo;
    await assert.rejects(start({ port }), { code: 'ERR_RUN', message: /somebody listens there already/ });
    taken.close();
  });

  it('changes the page in a browser while the run goes on', async function () {
    if (!chromium) this.skip(); // no browser here
    this.timeout(60_000);
    await using server = await start();
    let step = 10;
    writeFleetFile(join(base, 'speech es'), fleetAt(10));
    const going = setInterval(() => void appendFile(join(base, 'speech es', 'metrics.jsonl'), lineAt(++step)), 200);
    try {
      await using browser = await Browser.open(join(base, 'profile'), `${server.url}runs/speech%20es`);
      const shown = async () =>
        Number(await browser.evaluate("/([0-9,]+) steps \\(/.exec(document.body?.textContent ?? '')?.[1]"));
      const updates = async () => Number(await browser.evaluate('document.body?.dataset.updates ?? 0'));
      while (!((await updates()) > 0)) await wait(50);
      const [before, updatesBefore] = [await shown(), await updates()];
      while (!((await updates()) > updatesBefore + 1)) await wait(50);
      assert.ok((await shown()) > before);
      assert.ok(Number(await browser.evaluate("document.querySelectorAll('svg').length")) >= 8);
      assert.equal(await browser.evaluate("document.querySelectorAll('table.fleet td:first-child').length"), 2);
      const keep = process.env['TAUSTREAM_SCREENSHOT'];
      if (keep !== undefined) await writeFile(keep, await browser.screenshot());
    } finally {
      clearInterval(going);
    }
  });
});
