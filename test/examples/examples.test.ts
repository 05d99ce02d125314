import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Example, findExamples, publicNames } from './find-examples.ts';
import { writeExample } from './write-example.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Examples whose types are checked, but which are not run here, with the reason. */
const notRun: Readonly<Record<string, string>> = {
  installEngine: 'downloads an engine',
  'engine/tensorflow/tensorflow-engine.ts: compile': 'needs an installed engine',
  loadTensorflow: 'needs an installed engine',
  joinTrainers: 'needs several machines',
  meetTrainers: 'needs several machines',
  nodeFunctions: 'needs an installed engine',
  sparseSoftmaxCrossEntropy: 'needs an installed engine',
  remoteSource: 'reads from a host that is none',
  serveMinibatches: 'waits for a consumer',
  conformanceReport: 'takes as long as the one of runConformance',
  fleet: 'needs a server',
  scoreForFleet: 'needs a server',
  askStatus: 'needs a server',
  fetchCorpus: 'downloads a package',
  pretrained: 'downloads a package',
  withHead: 'downloads a package',
  openModel: 'reads a file that is none',
  labelledImages: 'reads pictures that are none',
  imageReport: 'judges pictures, which the corpus here is not of',
};

const key = ({ file, of }: Example): string => `${file}: ${of}`;
const isRun = (example: Example): boolean => !(notRun[example.of] ?? notRun[key(example)]);

async function output(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await new Promise((resolve) => child.on('close', resolve));
  return said;
}

const examples = await findExamples();

describe('the examples in docstrings', function () {
  this.timeout(600_000); // every example is checked and run before the first test: over 180 s where others use the processor
  let folder: string;
  let typeErrors = '';
  const ended = new Map<string, string | undefined>();
  const files = new Map(examples.map((example, i) => [key(example), `example-${i}.ts`]));

  before(async () => {
    folder = await mkdtemp(join(root, '.examples-'));
    for (const example of examples)
      await writeFile(join(folder, files.get(key(example))!), await writeExample(example));
    const settings = {
      extends: '../tsconfig.json',
      include: ['*.ts'],
      compilerOptions: { noUnusedLocals: false, noUncheckedIndexedAccess: false },
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(settings));
    typeErrors = await output(join(root, 'node_modules/.bin/tsc'), ['-p', folder]);
    const modules = examples.filter(isRun).map((example) => join(folder, files.get(key(example))!));
    const said = await output(process.execPath, [
      '--import',
      'tsx/esm',
      join(root, 'test/examples/run-examples.ts'),
      ...modules,
    ]);
    for (const line of said.split('\n').filter((text) => text.startsWith('{"file":'))) {
      const { file, error } = JSON.parse(line) as { file: string; error?: string };
      ended.set(file, error);
    }
  });
  after(() => rm(folder, { recursive: true, force: true }));

  for (const example of examples)
    it(`${isRun(example) ? 'runs' : 'type-checks'} that of ${key(example)}`, () => {
      const name = files.get(key(example))!;
      assert.deepEqual(
        typeErrors.split('\n').filter((line) => line.includes(`/${name}(`)),
        [],
      );
      if (!isRun(example)) return;
      const module = join(folder, name);
      assert.ok(ended.has(module), 'it came to its end');
      assert.equal(ended.get(module), undefined);
    });

  it('are there for every public function and class', async () => {
    const shown = new Set(examples.map(({ of }) => of));
    assert.deepEqual(
      [...(await publicNames()).keys()].filter((name) => !shown.has(name)),
      [],
    );
  });
});
