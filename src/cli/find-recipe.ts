import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { dataFolder } from '../corpus/data-folder.ts';
import { isRecipe, type Recipe } from '../corpus/recipe.ts';
import { CorpusError } from '../errors.ts';

/**
 * The recipe of a name (below `corpora/`, here or in the package), a folder or a file.
 * @throws {CorpusError} when there is none
 */
export async function findRecipe(name: string): Promise<Recipe> {
  const own = fileURLToPath(new URL('../../corpora', import.meta.url));
  const places = [name, join(name, 'recipe.ts'), join('corpora', name, 'recipe.ts'), join(own, name, 'recipe.ts')];
  for (const place of places) {
    if (!(await isFile(place))) continue;
    const module = (await import(pathToFileURL(resolve(place)).href)) as Record<string, unknown>;
    const recipe = Object.values(module).find(isRecipe);
    if (recipe) return recipe;
  }
  throw new CorpusError(
    `taustream corpus: expected a recipe \`${name}\`, got none in ${places
      .slice(1)
      .map((place) => `\`${place}\``)
      .join(', ')}. Give a folder of \`corpora/\`, or a recipe file.`,
    { name },
  );
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isFile(),
    () => false, // not there: looked for elsewhere
  );

/** The files of a recipe's folder that are missing or not what the recipe says; none for any other path. */
export async function wrongFiles(path: string): Promise<{ readonly file: string; readonly reason: string }[]> {
  if (!(await isFile(join(path, 'recipe.ts')))) return [];
  const recipe = await findRecipe(path);
  const folder = await dataFolder(recipe.name, recipe.at);
  const wrong: { file: string; reason: string }[] = [];
  for (const { to, bytes, sha256 } of recipe.files) {
    const found = await digestOf(join(folder, to));
    if (!found)
      wrong.push({
        file: to,
        reason: `expected it in \`${folder}\`, found none: run \`taustream corpus get ${recipe.name}\``,
      });
    else if (found.sha256 !== sha256)
      wrong.push({
        file: to,
        reason: `expected ${bytes} bytes of sha256 ${sha256}, got ${found.bytes} of ${found.sha256}`,
      });
  }
  return wrong;
}

async function digestOf(path: string): Promise<{ bytes: number; sha256: string } | undefined> {
  const found = await stat(path).catch(() => undefined); // missing: told by the caller
  if (!found) return undefined;
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return { bytes: found.size, sha256: hash.digest('hex') };
}
