import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const src = fileURLToPath(new URL('../../src', import.meta.url));

/** An `@example` of a docstring. */
export interface Example {
  /** The source file, from `src`. */
  readonly file: string;
  /** What the docstring stands before. */
  readonly of: string;
  readonly code: string;
}

const declaration =
  /^\s*(?:export )?(?:declare )?(?:async )?(?:abstract )?(?:function\*?|const|class|interface|type)?\s*([\w$]+)/;

/** Every `@example` in the sources. */
export async function findExamples(): Promise<Example[]> {
  const files = (await readdir(src, { recursive: true })).filter((file) => file.endsWith('.ts')).toSorted();
  const found = files.map(async (file) => {
    const source = await readFile(join(src, file), 'utf8');
    return [...source.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\//g)].flatMap((comment) => {
      const text = comment[1]!.replace(/^ *\* ?/gm, '');
      const code = /@example\s([\s\S]*?)(?=\n@\w|$)/.exec(text)?.[1]?.trim();
      if (code === undefined) return [];
      const of = declaration.exec(source.slice(comment.index + comment[0].length))?.[1] ?? '?';
      return [{ file, of, code }];
    });
  });
  return (await Promise.all(found)).flat();
}

/** The public names by the file they come from: values, not types. */
export async function publicNames(): Promise<ReadonlyMap<string, string>> {
  const index = await readFile(join(src, 'index.ts'), 'utf8');
  const names = [...index.matchAll(/export \{([^}]*)\} from '\.\/([^']*)'/g)].flatMap(([, list, file]) =>
    list!
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '' && !name.startsWith('type '))
      .map((name) => [name, file!] as const),
  );
  return new Map(names);
}

/** The values that a source file exports. */
export async function exportsOf(file: string): Promise<string[]> {
  const source = await readFile(join(src, file), 'utf8');
  return [...source.matchAll(/^export (?:async )?(?:function\*?|const|class) ([\w$]+)/gm)].map(([, name]) => name!);
}
