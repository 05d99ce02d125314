import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { corpus } from './open-corpus.ts';
import { packCorpus } from './pack-corpus.ts';
import type { Recipe } from './recipe.ts';
import { MANIFEST_FILE, readManifest } from './record-manifest.ts';
import { isMissing } from '../is-missing.ts';

/** Record shards that were made of a recipe's files. */
export interface PackedPart {
  readonly out: string;
  readonly samples: number;
  readonly shards: number;
  /** Whether they were made now; what is there was made of the same files, for a recipe's files never change. */
  readonly isNew: boolean;
}

/**
 * Makes the record shards that a recipe asks for, beside its data: `data-packed/<part>`. A pack that was broken off goes
 * on.
 *
 * @param folder of the fetched files
 * @throws {CorpusError} when no file of a part is of a known format
 */
export async function* packRecipe(
  recipe: Recipe,
  folder: string,
  signal?: AbortSignal,
): AsyncGenerator<PackedPart, void, void> {
  for (const [part, { include }] of Object.entries(recipe.pack ?? {})) {
    const out = join(`${folder}-packed`, part);
    const isThere = await exists(join(out, MANIFEST_FILE));
    const name = `${recipe.name}/${part}`;
    const aborting = signal ? { signal } : {};
    const manifest = isThere
      ? await readManifest(out)
      : await packCorpus(
          await corpus({ path: folder, name, ...aborting, ...(include !== undefined && { include }) }),
          out,
          aborting,
        );
    yield { out, samples: manifest.samples, shards: manifest.shards.length, isNew: !isThere };
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (error: unknown) => {
      if (isMissing(error)) return false;
      throw error;
    },
  );
