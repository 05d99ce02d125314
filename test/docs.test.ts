import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What each guide's program prints in its last lines. */
const expected: Readonly<Record<string, RegExp>> = {
  'fine-tuning.md': /^(plateau|steps) true\n\[ 'red', 'green', 'blue' \]$/m,
  'from-fit-dataset.md': /^\[( *[\d.]+,?){3} *\]$/m,
  'images.md': /^true\n\[ 32, 32, 3 \] true$/m,
  'networks.md': /^1467610\n\[ null, 1 \]\ntrue$/m,
  'lengths.md': /^\[ null, 1 \]$[\s\S]*^true\n120$/m,
  'own-trainer.md': /^true\ntrue$/m,
  'placement.md': /^0 1( 2){18}$/m,
  'text.md': /bitsPerCharacter[\s\S]*^20\n3$/m,
};

describe('docs', () => {
  it('have TypeScript that runs as it stands, the blocks of a guide one after the other', async function () {
    this.timeout(120_000);
    const folder = await mkdtemp(join(root, '.docs-'));
    try {
      for (const name of (await readdir(join(root, 'docs'))).filter((file) => file.endsWith('.md'))) {
        const guide = await readFile(join(root, 'docs', name), 'utf8');
        const blocks = [...guide.matchAll(/```ts\n(.*?)```/gs)].map(([, block]) => block!);
        if (blocks.length === 0) continue;
        const file = join(folder, name.replace('.md', '.ts'));
        await writeFile(file, blocks.join('\n'));
        const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx/esm', file], { cwd: root });
        assert.match(stdout, expected[name] ?? assert.fail(`${name} has examples: say here what they print`), name);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('link to files that are there', async () => {
    for (const name of await readdir(join(root, 'docs'))) {
      const guide = await readFile(join(root, 'docs', name), 'utf8');
      for (const [, target] of guide.matchAll(/\]\((?!http)([^)#]+)/g))
        await assert.doesNotReject(readFile(join(root, 'docs', target!)), `${name}: ${target}`);
    }
  });
});
