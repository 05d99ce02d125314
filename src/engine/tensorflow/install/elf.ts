import { open } from 'node:fs/promises';

const SHT_DYNAMIC = 6;
const DT_NEEDED = 1;
const DT_SONAME = 14;

/** A shared library's own name and the names of the libraries that it needs. */
export interface SharedLibrary {
  readonly soname: string | undefined;
  readonly needed: readonly string[];
}

/**
 * Reads the dynamic section of a 64-bit little-endian ELF file, without reading the file as a whole.
 *
 * @throws {RangeError} when the file is of another kind
 */
export async function readElf(file: string): Promise<SharedLibrary> {
  const handle = await open(file);
  try {
    const read = async (position: number, length: number) => {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
      if (bytesRead < length) throw new RangeError(`readElf(${file}): the file ends at byte ${position + bytesRead}.`);
      return buffer;
    };
    const header = await read(0, 64);
    if (header.readUInt32BE(0) !== 0x7f454c46 || header[4] !== 2 || header[5] !== 1) {
      throw new RangeError(`readElf(${file}): expected a 64-bit little-endian ELF file.`);
    }
    const size = header.readUInt16LE(58);
    const table = await read(Number(header.readBigUInt64LE(40)), size * header.readUInt16LE(60));
    const sections = Array.from({ length: table.length / size }, (_, i) => sectionOf(table.subarray(i * size)));
    const dynamic = sections.find(({ type }) => type === SHT_DYNAMIC);
    if (!dynamic) return { soname: undefined, needed: [] };
    const strings = sections[dynamic.link];
    if (!strings) throw new RangeError(`readElf(${file}): the dynamic section has no strings.`);
    return namesOf(await read(dynamic.offset, dynamic.size), await read(strings.offset, strings.size));
  } finally {
    await handle.close();
  }
}

const sectionOf = (header: Buffer) => ({
  type: header.readUInt32LE(4),
  offset: Number(header.readBigUInt64LE(24)),
  size: Number(header.readBigUInt64LE(32)),
  link: header.readUInt32LE(40),
});

function namesOf(dynamic: Buffer, strings: Buffer): SharedLibrary {
  const textAt = (start: number) => strings.toString('utf8', start, strings.indexOf(0, start));
  let soname: string | undefined;
  const needed: string[] = [];
  for (let at = 0; at + 16 <= dynamic.length; at += 16) {
    const tag = Number(dynamic.readBigInt64LE(at));
    const value = Number(dynamic.readBigUInt64LE(at + 8));
    if (tag === DT_NEEDED) needed.push(textAt(value));
    if (tag === DT_SONAME) soname = textAt(value);
  }
  return { soname, needed };
}
