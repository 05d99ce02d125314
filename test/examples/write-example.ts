import { exportsOf, publicNames, type Example } from './find-examples.ts';
import type { scene } from './scene.ts';

/** Names that an example may use without saying where they come from, beside the public ones and the scene's. */
const modules: Readonly<Record<string, string>> = {
  createWriteStream: 'node:fs',
  readFile: 'node:fs/promises',
  pipeline: 'node:stream/promises',
};

const sceneNames = [
  'model',
  'head',
  'corpus',
  'schema',
  'gate',
  'samples',
  'scorer',
  'options',
  'presamples',
  'scored',
  'xs',
  'ys',
  'pipeline',
  'dataset',
  'old',
  'recent',
  'engine',
  'mobyDick',
  'turnstile',
  'vocabulary',
  'text',
  'snapshot',
  'consumer',
  'myTrainer',
  'F',
  'rows',
  'logits',
  'classes',
  'weights',
  'train',
  'loss',
] as const satisfies readonly (keyof ReturnType<typeof scene>)[];

/** Those of the scene that are called; else a name that is called is a public function's. */
const functions: ReadonlySet<string> = new Set(['train', 'loss']);

/** The module that runs an example: its code, after imports of the names that it uses. */
export async function writeExample({ file, code }: Example): Promise<string> {
  const bare = code.replace(/\/\/.*$/gm, '').replace(/'[^'\n]*'/g, "''");
  const used = new Set(bare.match(/(?<![.\w$])[A-Za-z_$][\w$]*/g));
  const called = (name: string) => new RegExp(`(?<![.\\w$])${name}\\(`).test(bare);
  const declared = declarations(bare);
  const wanted = (name: string) => used.has(name) && !declared.has(name);
  const fromScene = sceneNames.filter((name) => wanted(name) && (!called(name) || functions.has(name)));
  const own = (await exportsOf(file)).filter((name) => wanted(name) && !fromScene.some((taken) => taken === name));
  const known = [...(await publicNames()).keys()];
  const fromModules = Object.entries(modules).filter(([name]) => wanted(name) && called(name));
  const taken = new Set<string>([...fromScene, ...own, ...fromModules.map(([name]) => name)]);
  const fromIndex = known.filter((name) => wanted(name) && !taken.has(name));
  return [
    "import * as tf from '@tensorflow/tfjs';",
    "import { scene } from '../test/examples/scene.ts';",
    ...fromModules.map(([name, from]) => `import { ${name} } from '${from}';`),
    own.length > 0 ? `import { ${own.join(', ')} } from '../src/${file}';` : '',
    fromIndex.length > 0 ? `import { ${fromIndex.join(', ')} } from '../src/index.ts';` : '',
    `const { ${fromScene.join(', ')} } = scene();`,
    'void tf;',
    code,
    'export {};',
  ].join('\n');
}

/** The names that the code declares itself. */
function declarations(code: string): Set<string> {
  const simple = [...code.matchAll(/(?:const|let|function|class) ([\w$]+)/g)].map(([, name]) => name!);
  const patterns = [...code.matchAll(/const [{[]([^=]*?)[}\]] (?:=|of)/g)].flatMap(([, inner]) =>
    inner!.split(/[,[\]{}]/).map((part) => part.split(':').at(-1)!.trim()),
  );
  return new Set([...simple, ...patterns]);
}
