import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { formatNames } from '../corpus/formats/formats.ts';
import { corpus, type CorpusOptions, type OpenedCorpus } from '../corpus/open-corpus.ts';
import { packCorpus } from '../corpus/pack-corpus.ts';
import { packRecipe } from '../corpus/pack-recipe.ts';
import { fetchCorpus } from '../corpus/recipe.ts';
import { verifyCorpus } from '../corpus/verify-corpus.ts';
import { wholeAbove } from './arguments.ts';
import { describeCorpus, describeSample } from './describe-corpus.ts';
import { findRecipe, wrongFiles } from './find-recipe.ts';
import type { Host } from './host.ts';
import { untilInterrupted } from './interrupt.ts';

/** Reads a whole number from 1 on. */
const whole = wholeAbove(0);

interface OpenFlags {
  readonly format?: NonNullable<CorpusOptions['format']>;
  readonly include?: string;
  readonly window?: number;
  readonly size?: number;
  readonly labels?: string;
}

/** `taustream corpus …` */
export function addCorpusCommand(program: Command, host: Host, exit: (code: number) => void): void {
  const command = program.command('corpus').description('Looks at corpora, checks, converts and fetches them.');
  const add = (name: string, argument: string, description: string) =>
    command
      .command(name)
      .description(description)
      .argument(argument, 'a file, a folder, a URL, or a folder of `corpora/`')
      .addOption(
        new Option('--format <name>', 'what the files are (default: told from them)').choices([
          ...formatNames,
          'records',
          'text',
        ]),
      )
      .option('--include <text>', 'only files whose path holds this')
      .option('--window <n>', 'units in a window of text', whole)
      .option('--size <pixels>', 'height and width of images', whole)
      .option('--labels <file>', 'a CSV file with the columns `file` and `label`, for images');

  add('info', '<PATH>', 'Shows format, columns, classes, counts and bytes.')
    .option('--json', 'as one JSON object')
    .action(async (path: string, flags: OpenFlags & { json?: boolean }) => {
      const opened = await open(path, flags);
      const told = describeCorpus(opened);
      host.stdout.write(flags.json ? `${JSON.stringify(told)}\n` : `${table(told)}\n`);
    });
  add('head', '<PATH>', 'Prints the first samples.')
    .option('-n, --samples <n>', 'how many', whole, 5)
    .action(async (path: string, flags: OpenFlags & { samples: number }) => {
      let left = flags.samples;
      for await (const sample of (await open(path, flags)).samples({ seed: 0, epochs: 1, shuffle: false })) {
        host.stdout.write(`${describeSample(sample)}\n`);
        left -= 1;
        if (left === 0) break;
      }
    });
  add('verify', '<PATH>', 'Reads everything and checks every checksum; exits with 1 and names what is bad.').action(
    async (path: string, flags: OpenFlags) => exit(await verify(path, flags, host)),
  );
  add('pack', '<PATH>', 'Converts any corpus into record shards; one that was broken off goes on.')
    .requiredOption('--out <folder>', 'where the shards go')
    .option('--shard-bytes <n>', 'bytes of a shard at most', whole)
    .option('--overwrite', 'replace a corpus that is there')
    .action(async (path: string, flags: OpenFlags & PackFlags) =>
      exit(
        await untilInterrupted(
          (signal) => pack(path, flags, host, signal),
          () => host.stderr.write('\nStopping. The same command goes on from here.\n'),
        ),
      ),
    );
  command
    .command('get')
    .description('Fetches a corpus by its recipe, checks it, and packs it where the recipe says so.')
    .argument('<NAME>', 'a folder of `corpora/`, or a recipe file')
    .option('--folder <folder>', 'where the data goes (default: `data/` beside the recipe, or the user’s cache)')
    .action(async (name: string, { folder }: { folder?: string }) =>
      exit(await untilInterrupted((signal) => get(name, folder, host, signal))),
    );
}

async function get(name: string, folder: string | undefined, host: Host, signal: AbortSignal): Promise<number> {
  const recipe = await findRecipe(name);
  const got = await fetchCorpus(recipe, { signal, ...(folder !== undefined && { folder }) });
  host.stdout.write(
    `${recipe.name}: ${got.files.length} files, ${got.fetched ? 'fetched and checked' : 'there and right'} (${recipe.licence})\n${got.folder}\n`,
  );
  for await (const { out, samples, shards, isNew } of packRecipe(recipe, got.folder, signal))
    host.stdout.write(`${out}: ${samples} samples in ${shards} shards, ${isNew ? 'packed' : 'there'}\n`);
  return 0;
}

type PackFlags = { readonly out: string; readonly shardBytes?: number; readonly overwrite?: boolean };

async function open(
  path: string,
  { format, include, window, size, labels }: OpenFlags,
  rest: Partial<CorpusOptions> = {},
): Promise<OpenedCorpus> {
  return corpus({
    ...(await dataOf(path)),
    ...(format && { format }),
    ...(include !== undefined && { include }),
    ...(window !== undefined && { window }),
    ...(size !== undefined && { image: { height: size, width: size } }),
    ...(labels !== undefined && { labels }),
    ...rest,
  });
}

/** A folder of `corpora/` stands for the data that its recipe fetched. */
async function dataOf(path: string): Promise<{ path: string; name?: string }> {
  const isRecipe = await stat(join(path, 'recipe.ts')).catch(() => undefined); // none: data itself
  if (!isRecipe) return { path };
  const recipe = await findRecipe(path);
  return { path: (await fetchCorpus(recipe)).folder, name: recipe.name };
}

async function verify(path: string, flags: OpenFlags, host: Host): Promise<number> {
  const wrong = await wrongFiles(path);
  const { colors } = host;
  for (const { file, reason } of wrong) host.stdout.write(`${colors.red('bad')}  ${file}: ${reason}\n`);
  if (wrong.length > 0) return 1;
  const { path: folder } = await dataOf(path);
  const opened = await open(path, flags, { onBadSample: 'skip', maxBadSamples: Number.MAX_SAFE_INTEGER });
  const { samples, bad } = await verifyCorpus(opened, folder);
  for (const { reason } of bad) host.stdout.write(`${colors.red('bad')}  ${reason}\n`);
  host.stdout.write(`${opened.name}: ${samples} samples good, ${bad.length} bad\n`);
  return bad.length > 0 ? 1 : 0;
}

async function pack(
  path: string,
  { out, shardBytes, overwrite, ...flags }: OpenFlags & PackFlags,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  const opened = await open(path, flags);
  const show = (written: number, total: number | undefined) => {
    if (host.stderr.isTTY) host.stderr.write(`\r${written} of ${total ?? '?'} samples`);
  };
  const manifest = await packCorpus(opened, out, {
    signal,
    onProgress: show,
    ...(shardBytes !== undefined && { shardBytes }),
    ...(overwrite && { overwrite }),
  });
  if (host.stderr.isTTY) host.stderr.write('\n');
  host.stdout.write(`${out}: ${manifest.samples} samples in ${manifest.shards.length} shards\n`);
  return 0;
}

const table = (told: Readonly<Record<string, unknown>>): string =>
  Object.entries(told)
    .map(
      ([name, value]) =>
        `${name.padEnd(9)}${typeof value === 'object' ? JSON.stringify(value) : String(value as string | number)}`,
    )
    .join('\n');
