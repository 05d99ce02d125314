import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What a reader of the README has at hand: a model, a corpus, the same as a dataset, and a trainer. */
const prelude = (block: string) => `
import * as tfjs from '@tensorflow/tfjs';
import * as taustream from 'taustream';
import { classifier, clusters } from '../test/train/toy.ts';
await taustream.useEngine('wasm');
const { corpus: endless } = clusters(1500);
const corpus = { ...endless, samples: (options) => endless.samples({ ...options, epochs: 1 }) };
const model = classifier();
const rows = [];
for await (const { x, y } of corpus.samples({ seed: 1 })) rows.push({ xs: tfjs.tensor(x), ys: tfjs.scalar(y, 'int32') });
const dataset = tfjs.data.array(rows);
let trained = 0;
const myTrainer = async (x, y, weights) => void (trained += weights.length);
${block}
console.log(JSON.stringify({ trained, epochs: typeof history === 'undefined' ? 0 : history.epoch?.length ?? 0 }));
`;

describe('README', () => {
  it('has TypeScript that runs as it stands', async function () {
    this.timeout(120_000);
    const text = await readFile(join(root, 'README.md'), 'utf8');
    const blocks = [...text.matchAll(/```ts\n(.*?)```/gs)].map(([, block]) => block!);
    assert.equal(blocks.length, 2);
    const folder = await mkdtemp(join(root, '.readme-'));
    try {
      const results = await Promise.all(
        blocks.map(async (block, i) => {
          const file = join(folder, `block-${i}.ts`);
          await writeFile(file, prelude(block));
          const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx/esm', file], { cwd: root });
          return JSON.parse(stdout.trim().split('\n').at(-1)!) as { trained: number; epochs: number };
        }),
      );
      assert.deepEqual(
        results.map(({ epochs, trained }) => [epochs, trained]),
        [
          [5, 0],
          [0, 1500],
        ],
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('names commands that exist', async () => {
    const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { scripts: object };
    assert.ok('start' in scripts && 'test' in scripts);
    const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'src/cli/bin.js'), '--help']);
    const text = await readFile(join(root, 'README.md'), 'utf8');
    for (const [, command] of text.matchAll(/npx taustream ([a-z]+)/g))
      assert.ok(stdout.includes(`  ${command} `), command);
  });
});
