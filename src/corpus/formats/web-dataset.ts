import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../../errors.ts';
import { writeAtomically } from '../../atomic-file.ts';
import type { ByteSource } from '../byte-source.ts';
import { cacheFolder } from '../data-folder.ts';
import type { Format } from './format.ts';
import { openTable } from './row-shards.ts';
import { readRange, shardError } from './shard-access.ts';
import { isTarHeader, tarMembers, type TarMember } from './tar-index.ts';
import type { Row } from './table.ts';

/** A sample: the files of one name with different endings, which stand one after another. */
interface Group {
  readonly key: string;
  readonly members: readonly TarMember[];
}

const TEXTS = /^(txt|text|caption|transcript)$/;
const CLASSES = /^(cls|cls2|index|inx|id)$/;

/**
 * WebDataset: tar archives in which files of one name make a sample. Endings are the fields: `jpg`, `png`, … an image,
 * `cls` a class, `txt` a text, `json` an object whose fields join the others, anything else bytes. Where the members lie is
 * looked up once and kept in the user's cache folder.
 */
export const webDataset: Format = {
  name: 'webdataset',
  detect: ({ name, head }) => /\.tar$/i.test(name) || isTarHeader(head),
  open: (input) =>
    openTable('webdataset', input, async (source, visit) => {
      const groups = groupsOf(await cachedMembers(source, input.signal));
      for (const group of groups) {
        input.signal?.throwIfAborted();
        const [from, to] = spanOf([group]);
        const bytes = await readRange(source, from, to, input.signal);
        visit(() => rowOf(source.name, group, bytes, from));
      }
      return {
        rows: groups.length,
        async read(first, count, signal) {
          const wanted = groups.slice(first, first + count);
          const [from, to] = spanOf(wanted);
          const bytes = await readRange(source, from, to, signal);
          return wanted.map((group) => ({
            id: `${source.name}:${group.key}`,
            offset: group.members[0]!.offset,
            row: () => rowOf(source.name, group, bytes, from),
          }));
        },
      };
    }),
};

function groupsOf(members: readonly TarMember[]): Group[] {
  const groups: { key: string; members: TarMember[] }[] = [];
  for (const member of members) {
    const slash = member.path.lastIndexOf('/') + 1;
    const dot = member.path.indexOf('.', slash);
    if (dot <= slash) continue; // no ending, or hidden: no part of a sample
    const key = member.path.slice(0, dot);
    if (groups.at(-1)?.key === key) groups.at(-1)!.members.push(member);
    else groups.push({ key, members: [member] });
  }
  return groups;
}

/** The bytes from the first member of the first group to the end of the last's last. */
const spanOf = (groups: readonly Group[]): [number, number] => {
  const last = groups.at(-1)!.members.at(-1)!;
  return [groups[0]!.members[0]!.offset, last.offset + last.bytes];
};

function rowOf(shard: string, { key, members }: Group, bytes: Buffer, start: number): Row {
  const row: Record<string, unknown> = { __key__: key };
  for (const { path, offset, bytes: size } of members) {
    const field = path.slice(key.length + 1).toLowerCase();
    const content = bytes.subarray(offset - start, offset - start + size);
    if (field === 'json') Object.assign(row, parseJson(shard, offset, content));
    else if (TEXTS.test(field)) row[field] = content.toString('utf8');
    else if (CLASSES.test(field)) row[field] = classOf(content.toString('utf8').trim());
    else row[field] = content;
  }
  return row;
}

const classOf = (text: string): string | number => (/^-?\d+$/.test(text) ? Number(text) : text);

function parseJson(shard: string, offset: number, content: Buffer): object {
  try {
    const value: unknown = JSON.parse(content.toString('utf8'));
    if (typeof value === 'object' && value !== null) return value;
    throw new Error(typeof value);
  } catch (cause) {
    throw shardError(shard, offset, 'a JSON object', messageOf(cause), {}, cause);
  }
}

const SavedIndex = z.strictObject({
  version: z.literal(2),
  state: z.string(),
  members: z.array(z.tuple([z.string(), z.int().nonnegative(), z.int().nonnegative()])),
});

/** The members, from the user's cache folder where the archive is as it was when they were looked up. */
async function cachedMembers(source: ByteSource, signal?: AbortSignal): Promise<readonly TarMember[]> {
  if (source.state === undefined) return tarMembers(source, signal);
  const folder = join(cacheFolder(process.platform, process.env), 'tar-indexes');
  const path = join(folder, `${createHash('sha256').update(source.state).digest('hex').slice(0, 32)}.json`);
  const saved = await readFile(path, 'utf8')
    .then((text) => SavedIndex.parse(JSON.parse(text)))
    .catch(() => undefined); // none, or one that cannot be used: made anew
  if (saved?.state === source.state)
    return saved.members.map(([name, offset, bytes]) => ({ path: name, offset, bytes }));
  const members = await tarMembers(source, signal);
  const index: z.output<typeof SavedIndex> = {
    version: 2,
    state: source.state,
    members: members.map(({ path: name, offset, bytes }) => [name, offset, bytes]),
  };
  await mkdir(folder, { recursive: true })
    .then(() => writeAtomically(path, JSON.stringify(index)))
    .catch(() => {}); // a cache that cannot be written costs time, nothing else
  return members;
}
