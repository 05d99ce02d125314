import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { useTestEngine } from '../test-engine.ts';
import { layOut } from './files.ts';

const patience = 20_000;

/** Runs modules one after the other, each in a folder of its own, and says how each ended: a line of JSON each. */
for (const file of process.argv.slice(2)) {
  const folder = await mkdtemp(join(tmpdir(), 'taustream-example-'));
  await layOut(folder, file);
  await useTestEngine();
  process.chdir(folder);
  const late = setTimeout(patience, 'did not end');
  const error = await Promise.race([
    late,
    import(file).then(
      () => undefined,
      (reason: unknown) => (reason instanceof Error ? reason.stack : String(reason)),
    ),
  ]);
  process.stderr.write(`${JSON.stringify({ file, error })}\n`);
  process.chdir(tmpdir());
  await rm(folder, { recursive: true, force: true });
}
process.exit(); // an example may leave a server or a worker behind
