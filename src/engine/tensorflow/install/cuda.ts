import { basename, join, relative } from 'node:path';
import { readdir } from 'node:fs/promises';
import { readElf, type SharedLibrary } from './elf.ts';

/**
 * The NVIDIA wheels that a TensorFlow wheel asks for: its requirements with the extra `and-cuda`, as pip wants them.
 *
 *     nvidia-cudnn-cu12<10.0,>=9.3.0.75; extra == "and-cuda"  ->  nvidia-cudnn-cu12<10.0,>=9.3.0.75
 */
export function cudaRequirements(requirements: readonly string[]): string[] {
  return requirements
    .filter((line) => /^nvidia-/iu.test(line) && /extra\s*==\s*['"]and-cuda['"]/u.test(line))
    .map((line) => line.replace(/;.*$/u, '').replace(/\s/gu, ''));
}

/** Whether an entry of an NVIDIA wheel is needed at run time: libraries, and what XLA compiles with. */
export const isCudaFile = (entry: string): boolean =>
  /\/lib\/[^/]+\.so(\.\d+)*$/u.test(entry) ||
  entry.endsWith('/bin/ptxas') ||
  /\/nvvm\/libdevice\/[^/]+\.bc$/u.test(entry);

/**
 * Orders libraries so that each comes after those that it needs. Needs that are not among them (the system's, the
 * driver's) are left to the system. Ties go by name, so the order is always the same.
 */
export function loadOrder(libraries: ReadonlyMap<string, SharedLibrary>): string[] {
  const bySoname = new Map<string, string>();
  for (const [path, { soname }] of libraries) bySoname.set(soname ?? basename(path), path);
  const ordered: string[] = [];
  const seen = new Set<string>();
  const visit = (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const name of [...(libraries.get(path)?.needed ?? [])].toSorted()) {
      const needed = bySoname.get(name);
      if (needed !== undefined) visit(needed);
    }
    ordered.push(path);
  };
  for (const path of [...libraries.keys()].toSorted()) visit(path);
  return ordered;
}

/** Finds the libraries of the NVIDIA wheels below `folder` and orders them for loading; paths are relative to it. */
export async function findCudaLibraries(folder: string): Promise<string[]> {
  const libraries = new Map<string, SharedLibrary>();
  const root = join(folder, 'nvidia');
  const files = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []); // no wheel brought any
  for (const file of files) {
    if (!file.isFile() || !/\.so(\.\d+)*$/u.test(file.name)) continue;
    const path = join(file.parentPath, file.name);
    libraries.set(relative(folder, path), await readElf(path));
  }
  return loadOrder(libraries);
}
