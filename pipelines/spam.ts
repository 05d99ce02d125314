import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { corpus, definePipeline, fetchCorpus, frequentPieces, pieceTokenizer, textClassifier } from 'taustream';
import { spamAssassin } from '../corpora/spam-assassin/recipe.ts';

const vocabularySize = 8000;
const textLength = 128;
const validation = 0.15;

/** Spam or not? An LSTM reads the first 128 words of a mail's body. */
export default definePipeline({
  name: 'spam',
  async corpus({ corpusPath }) {
    const file = corpusPath ?? (await fetchCorpus(spamAssassin)).files[0]!;
    const mails = await differentBodies(file);
    const known = mails.slice(0, Math.floor(mails.length * (1 - validation))).map(({ text }) => text);
    const words = frequentPieces('word', known, vocabularySize - 2); // two ids pad and stand for what is unknown
    const path = join(dirname(file), '.by-body'); // hidden: not part of the corpus as it was fetched
    await writeLines(path, mails);
    const tokenizer = pieceTokenizer('word', words);
    const all = await corpus({ path: join(path, 'mails.jsonl'), tokenizer, textLength });
    return { ...all.split({ validation }), files: { 'words.json': words } };
  },
  model: ({ seed }) =>
    textClassifier({ vocabularySize, textLength, classes: 2, embedding: 32, units: 64, dropout: 0.3, seed }),

  loss: 'sparseCategoricalCrossentropy',
  metrics: ['accuracy'],
  optimizer: 'adam',
  learningRate: { kind: 'cosine', rate: 0.003, warmUp: 0.05 },
  clipNorm: 1,

  presampleSize: 160,
  batchSize: 32,
  seconds: 120,
  validations: 3,
});

interface Mail {
  readonly id: string;
  readonly label: string;
  readonly text: string;
}

/**
 * The mails in the order of their bodies' hashes, each body once: any part of them is a fair sample of the whole, and the
 * end, which is kept for validation, shares no body with what is trained on.
 */
async function differentBodies(path: string): Promise<Mail[]> {
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  const byHash = new Map<string, Mail>();
  for (const line of lines) {
    const mail = JSON.parse(line) as Mail; // the recipe's sha256 says that it is
    byHash.set(createHash('sha256').update(mail.text.trim()).digest('hex'), mail);
  }
  return [...byHash].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, mail]) => mail);
}

async function writeLines(folder: string, mails: readonly Mail[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  const temporary = join(folder, `.mails-${process.pid}`);
  await writeFile(temporary, mails.map((mail) => `${JSON.stringify(mail)}\n`).join(''));
  await rename(temporary, join(folder, 'mails.jsonl'));
}
