import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import colors from 'picocolors';
import { main } from '../../src/cli/main.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import { fit } from '../../src/train/fit.ts';

const gated = new URL('fixtures/gated.ts', import.meta.url).pathname;

async function run(args: string[]) {
  let stderr = '';
  const write = (text: string) => (stderr += text);
  const host = { stdout: { write }, stderr: { write }, colors: colors.createColors(false), fit };
  return { code: await main(args, { ...host, useEngine: () => useEngine('cpu') }), stderr: () => stderr };
}

describe('a full disk', () => {
  let base: string;
  let disk: string;
  before(async function () {
    base = await mkdtemp(join(tmpdir(), 'taustream-disk-'));
    disk = join(base, 'disk');
    try {
      execFileSync('mkdir', [disk]);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=192k', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      await rm(base, { recursive: true });
      this.skip(); // only root may mount
    }
  });
  after(async () => {
    execFileSync('umount', [disk]);
    await rm(base, { recursive: true });
  });

  it('ends the run with a typed error and the last good checkpoint whole, from which it goes on once there is room', async () => {
    const folder = join(disk, 'run');
    const args = ['train', gated, '--steps', '60', '--checkpoint-steps', '5', '--quiet', '--record-ids'];
    await run([...args, '--out', join(base, 'whole')]);
    await writeFile(join(disk, 'ballast'), new Uint8Array(120 * 1024));
    const full = await run([...args, '--out', folder]);
    assert.equal(full.code, 1);
    assert.match(full.stderr(), /^taustream: .*(cannot be written|cannot write the checkpoint).*ENOSPC/m);
    const left = await readdir(folder, { recursive: true });
    assert.deepEqual(
      left.filter((name) => name.endsWith('.tmp')),
      [],
      'nothing half-written is left',
    );
    await rm(join(disk, 'ballast'));
    const resumed = await run(['train', gated, '--resume', folder, '--quiet', '--record-ids']);
    assert.equal(resumed.code, 0, resumed.stderr());
    for (const name of ['ids.jsonl', join('model', 'weights.bin')])
      assert.deepEqual(await readFile(join(folder, name)), await readFile(join(base, 'whole', name)), name);
  });
});
