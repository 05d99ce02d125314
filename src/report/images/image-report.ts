import { join } from 'node:path';
import type * as tf from '@tensorflow/tfjs';
import { RunError, messageOf } from '../../errors.ts';
import { findImageDetails } from '../../model/pretrained/image-details.ts';
import type { Corpus } from '../../stream/sample.ts';
import { writeAtomically } from '../../atomic-file.ts';
import { percent } from '../format.ts';
import { contactSheet, nameOf } from './contact-sheet.ts';
import { judgeImages, type JudgedCorpus, type JudgeOptions } from './judge-images.ts';

export interface ImageReportOptions extends JudgeOptions {
  /** Where `contact-sheet.html` and `confusion.json` go. */
  readonly folder: string;
  /** What is judged, in this order; pictures as they are, not augmented. */
  readonly corpora: readonly Corpus[];
  /** @default those of the model's image details */
  readonly classNames?: readonly string[];
  /** @default 'Contact sheet' */
  readonly title?: string;
}

/**
 * Judges a classifier on corpora of pictures and writes what it finds into a folder: `contact-sheet.html`, the hardest
 * pictures with label, prediction, score and weight, and `confusion.json`.
 *
 * @param model compiled for class numbers
 * @returns a text: accuracy of each corpus, and the confusion matrix of the last
 * @throws {CorpusError} when a corpus is empty
 * @throws {RunError} when a file cannot be written
 * @example
 * console.log(await imageReport(model, { folder: 'runs/photos', corpora: [corpus] }));
 */
export async function imageReport(model: tf.LayersModel, options: ImageReportOptions): Promise<string> {
  const { folder, corpora, title = 'Contact sheet', ...judging } = options;
  const classNames = options.classNames ?? findImageDetails(model)?.classNames ?? [];
  const judged: JudgedCorpus[] = [];
  for (const corpus of corpora) judged.push(await judgeImages(model, corpus, judging));
  const sheet = join(folder, 'contact-sheet.html');
  await write(sheet, await contactSheet(title, judged, classNames));
  const plain = judged.map(({ name, samples, accuracy, confusion }) => ({ name, samples, accuracy, confusion }));
  await write(join(folder, 'confusion.json'), `${JSON.stringify({ classNames, corpora: plain }, undefined, 2)}\n`);
  const accuracies = judged.map(
    ({ name, samples, accuracy }) => `${name}: ${percent(accuracy)} of ${samples} pictures`,
  );
  const matrix = judged.length > 0 ? confusionText(judged.at(-1)!, classNames) : '';
  return `${accuracies.join('\n')}\n\n${matrix}\n\nHardest pictures: ${sheet}`;
}

async function write(path: string, text: string): Promise<void> {
  await writeAtomically(path, text).catch((cause: unknown) => {
    const reason = messageOf(cause);
    throw new RunError(
      `${path}: cannot be written: ${reason}. Make room, or name another folder.`,
      { path },
      { cause },
    );
  });
}

/** Rows are labels, columns predictions, in the same order. */
function confusionText({ confusion, name }: JudgedCorpus, classNames: readonly string[]): string {
  const names = confusion.map((_, label) => nameOf(classNames, label));
  const width = Math.max(...names.map(({ length }) => length));
  const cell = confusion.flat().reduce((most, count) => Math.max(most, String(count).length), 1) + 2;
  const rows = confusion.map(
    (row, label) => names[label]!.padEnd(width) + row.map((count) => String(count).padStart(cell)).join(''),
  );
  return [`${name}, a row a label, a column a prediction:`, ...rows].join('\n');
}
