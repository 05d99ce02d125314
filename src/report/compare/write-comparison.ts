import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RunError, messageOf } from '../../errors.ts';
import { describeMachine, describeVersions } from '../run-file.ts';
import type { Comparison } from './compare.ts';
import { comparisonPage } from './page.ts';

/**
 * Writes a comparison into a folder that is there: `comparison.json`, with the machine and the versions, and
 * `comparison.html`. Each appears whole or not at all.
 *
 * @returns the paths written
 * @throws {RunError} when one cannot be written
 * @example
 * const comparison = await compare(pipeline, { schemes: ['uniform', 'upper-bound'], steps: 5, seeds: 2 }, engine);
 * const { page } = await writeComparison('.', comparison);
 */
export async function writeComparison(
  folder: string,
  comparison: Comparison,
): Promise<{ readonly data: string; readonly page: string }> {
  const [data, page] = [join(folder, 'comparison.json'), join(folder, 'comparison.html')];
  const everything = { ...comparison, machine: describeMachine(), versions: describeVersions() };
  await writeWhole(data, `${JSON.stringify(everything, undefined, 1)}\n`);
  await writeWhole(page, comparisonPage(comparison));
  return { data, page };
}

async function writeWhole(path: string, text: string): Promise<void> {
  try {
    await writeFile(`${path}.tmp`, text);
    await rename(`${path}.tmp`, path);
  } catch (cause) {
    const reason = messageOf(cause);
    throw new RunError(
      `${path}: cannot be written: ${reason}. Make room, or name another folder.`,
      { file: path },
      { cause },
    );
  }
}
