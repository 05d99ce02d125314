import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  byteVocabulary,
  fit,
  saveModel,
  takeCheckpoint,
  writeCheckpoint,
  writeRecords,
  type Snapshot,
} from '../../src/index.ts';
import { idxBytes, png } from '../corpus/formats/write-files.ts';
import { classifier, clusters } from '../train/toy.ts';

const prose = 'It is not down in any map; true places never are. '.repeat(40);

/** The files that examples read, by the text that asks for them. */
const files: readonly (readonly [asked: string, make: (folder: string) => Promise<unknown>])[] = [
  ["'moby-dick.txt'", (folder) => writeFile(join(folder, 'moby-dick.txt'), prose)],
  ["'cat.jpg'", async (folder) => writeFile(join(folder, 'cat.jpg'), await png({ r: 250, g: 120, b: 10 }))],
  [
    "'mails.jsonl'",
    (folder) => writeFile(join(folder, 'mails.jsonl'), '{"x": [1, 2], "y": 0}\n{"x": [3, 4], "y": 1}\n'),
  ],
  [
    "path: 'mnist'",
    async (folder) => {
      await mkdir(join(folder, 'mnist'));
      const of = (name: string, bytes: Buffer) => writeFile(join(folder, 'mnist', name), bytes);
      await of('train-images-idx3-ubyte', idxBytes([40, 2, 2], new Uint8Array(160)));
      await of('train-labels-idx1-ubyte', idxBytes([40], new Uint8Array(40)));
    },
  ],
  [
    "orpus('digits')",
    (folder) =>
      writeRecords(join(folder, 'digits'), [{ id: 'd:0', x: [0, 0.5], y: 1 }], {
        schema: { x: { type: 'float32', shape: [2] }, y: { type: 'int32', shape: [] } },
      }),
  ],
  [
    "loadVocabulary('runs/moby-dick/model/vocabulary.json')",
    (folder) => saveModel(classifier(), join(folder, 'runs/moby-dick/model'), { 'vocabulary.json': byteVocabulary }),
  ],
  [
    "readCheckpoint('runs/moby-dick/checkpoints')",
    async (folder) => {
      const { corpus } = clusters(640);
      const checkpoints = join(folder, 'runs/moby-dick/checkpoints');
      const onEnd = async (snapshot: Snapshot) => {
        await writeCheckpoint(checkpoints, await takeCheckpoint(snapshot));
      };
      await fit(classifier(), corpus, { steps: 2, seed: 7, onEnd });
    },
  ],
  ["loadModel('runs/moby-dick/model')", (folder) => saveModel(classifier(), join(folder, 'runs/moby-dick/model'))],
  [
    "'gpt2/tokenizer.json'",
    async (folder) => {
      const file = join(folder, 'gpt2/tokenizer.json');
      await mkdir(dirname(file));
      const model = { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'] };
      await writeFile(
        file,
        JSON.stringify({
          version: '1.0',
          added_tokens: [],
          normalizer: null,
          pre_tokenizer: null,
          post_processor: null,
          decoder: null,
          model,
        }),
      );
    },
  ],
];

/** Puts the files into `folder` that the module at `file` reads. */
export async function layOut(folder: string, file: string): Promise<void> {
  const code = await readFile(file, 'utf8');
  for (const [asked, make] of files) if (code.includes(asked)) await make(folder);
}
