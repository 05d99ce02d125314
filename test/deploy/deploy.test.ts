import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import { permissionsFor } from '../../src/cluster/permissions.ts';
import { startServer } from '../../src/cluster/server/nats-server.ts';
import { obtainServer } from '../../src/cluster/server/obtain-server.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import { run } from '../cli/run-cli.ts';
import { freePort } from '../cluster/test-server.ts';
import { trainToy, workForToy } from '../cluster/toy-fleet.ts';

const deployed = (name: string) => readFile(fileURLToPath(new URL(`../../deploy/${name}`, import.meta.url)), 'utf8');

const Compose = z.object({
  services: z.record(
    z.string(),
    z.object({
      command: z.array(z.string()),
      environment: z.record(z.string(), z.string()).optional(),
      volumes: z.array(z.string()).optional(),
      depends_on: z.array(z.string()).optional(),
    }),
  ),
  volumes: z.record(z.string(), z.unknown()),
});

/** Puts values in place of `${NAME}`, `${NAME:?}` and `${NAME:-otherwise}`, as Compose does. */
const substituted = (text: string, values: Readonly<Record<string, string>>): string =>
  text.replaceAll(
    /\$\{(\w+)(?::(\?|-)([^}]*))?\}/gu,
    (_, name: string, kind: string | undefined, otherwise: string) => {
      const value = values[name] ?? (kind === '-' ? otherwise : undefined);
      assert.ok(value !== undefined, `${name} is asked for and not given`);
      return value;
    },
  );

/**
 * Runs a command line up to its pipeline file, which is not here: its options are known, or its exit code is 2.
 * @param words from `npx` on
 */
async function expectKnown(words: readonly string[]): Promise<void> {
  const [npx, program, ...args] = words;
  assert.deepEqual([npx?.split('/').at(-1), program], ['npx', 'taustream']);
  const { code, stderr } = await run(args);
  assert.equal(code, 1, stderr);
  assert.match(stderr, /^taustream: .*pipeline\.ts.*/mu);
  assert.equal((await run([...args, '--no-such-option'])).code, 2);
}

describe('deploy/compose.yaml', () => {
  const passwords = { TRAINER_PASSWORD: 'one', WORKER_PASSWORD: 'two' };

  it('has command lines that taustream knows, for the server and the run that it starts', async () => {
    const { services, volumes } = Compose.parse(parse(await deployed('compose.yaml')));
    const config = await deployed('nats.conf');
    assert.deepEqual(Object.keys(services), ['nats', 'trainer', 'worker']);
    for (const name of ['trainer', 'worker'] as const) {
      const words = services[name]!.command.map((word) => substituted(word, passwords));
      await expectKnown(words);
      const url = new URL(words[words.indexOf('--cluster') + 1]!);
      assert.deepEqual(
        [url.hostname, url.port, url.username, url.password],
        [
          'nats',
          /^port: (\d+)$/mu.exec(config)![1],
          name,
          passwords[`${name.toUpperCase()}_PASSWORD` as keyof typeof passwords],
        ],
      );
      assert.equal(words[words.indexOf('--run') + 1], 'moby-dick');
      assert.deepEqual(services[name]!.depends_on, ['nats']);
    }
    const { environment = {}, volumes: mounted = [], command } = services['nats']!;
    const asked = [...config.matchAll(/\$([A-Z_]+)\b/gu)]
      .map(([, name]) => name!)
      .filter((name) => !['JS', 'SYS', '_INBOX'].includes(name));
    assert.deepEqual([...new Set(asked)].toSorted(), Object.keys(environment).toSorted());
    assert.ok(mounted.some((line) => line.startsWith('./nats.conf:') && line.includes(command[1]!)));
    for (const name of Object.values(services).flatMap((service) => service.volumes ?? []))
      assert.ok(name.startsWith('./') || Object.hasOwn(volumes, name.split(':')[0]!), name);
  });
});

describe('deploy/nats.conf', () => {
  it('gives each role what permissionsFor says', async () => {
    const config = await deployed('nats.conf');
    for (const role of ['trainer', 'worker'] as const)
      assert.ok(config.includes(`permissions: ${permissionsFor(role, 'moby-dick')}`), role);
  });

  it('is one that a server starts with, and a fleet trains on', async function () {
    this.timeout(30_000);
    const folder = await mkdtemp(join(tmpdir(), 'taustream-deploy-'));
    const port = await freePort();
    const here = (await deployed('nats.conf'))
      .replace('port: 4222', `port: ${port}\nhost: "127.0.0.1"`)
      .replace('/data', join(folder, 'data'))
      .replace('$TRAINER_PASSWORD', 'one')
      .replace('$WORKER_PASSWORD', 'two');
    const server = await startServer(await obtainServer(), { folder, port, config: here });
    try {
      const engine = await useEngine('cpu');
      const url = (login: string) => `nats://${login}@127.0.0.1:${port}`;
      const [summary] = await Promise.all([
        trainToy(engine, { url: url('trainer:one'), run: 'moby-dick' }, { steps: 3 }),
        workForToy(engine, url('worker:two'), { run: 'moby-dick' }),
      ]);
      assert.equal(summary.steps, 3);
    } finally {
      await server.stop();
      await rm(folder, { recursive: true });
    }
  });
});

describe('deploy/taustream-worker@.service', () => {
  it('has a command line that taustream knows, variables that it reads, and stops as it is told to', async () => {
    const lines = (await deployed('taustream-worker@.service')).split('\n').filter((line) => /^\w+=/u.test(line));
    const unit = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    const { TAUSTREAM_CLUSTER: former } = process.env;
    process.env['TAUSTREAM_CLUSTER'] = 'nats://worker:password@host:4222'; // what /etc/taustream/worker.env holds
    try {
      await expectKnown(unit['ExecStart']!.split(' '));
    } finally {
      delete process.env['TAUSTREAM_CLUSTER'];
      if (former !== undefined) process.env['TAUSTREAM_CLUSTER'] = former;
    }
    const folder = fileURLToPath(new URL('../../src', import.meta.url));
    const variable = unit['Environment']!.split('=')[0]!;
    assert.match(execFileSync('grep', ['-rl', variable, folder], { encoding: 'utf8' }), /cache-folder\.ts/u);
    assert.equal(unit['Environment'], `${variable}=/var/lib/${unit['StateDirectory']}`);
    assert.deepEqual([unit['KillSignal'], unit['Restart']], ['SIGINT', 'always']);
  });

  it('is a unit that systemd reads', async function () {
    const folder = await mkdtemp(join(tmpdir(), 'taustream-unit-'));
    const file = join(folder, 'taustream-worker@1.service');
    const unit = (await deployed('taustream-worker@.service')).replace('/usr/bin/npx', '/bin/true');
    await writeFile(file, unit);
    try {
      execFileSync('systemd-analyze', ['verify', file], { stdio: 'pipe' });
    } catch (error) {
      const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
      if (!said.includes('taustream-worker@1.service')) this.skip(); // no systemd here, or one that cannot run
      throw error;
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
