/** Builds a shared library of nothing but its dynamic section: what it is called and what it needs. */
export function fakeElf(soname: string | undefined, needed: readonly string[]): Buffer {
  let strings = '\0';
  const place = (text: string) => {
    const at = strings.length;
    strings += `${text}\0`;
    return BigInt(at);
  };
  const tags: [tag: bigint, value: bigint][] = needed.map((name) => [1n, place(name)]);
  if (soname !== undefined) tags.push([14n, place(soname)]);
  tags.push([0n, 0n]);
  const dynamic = Buffer.from(BigInt64Array.from(tags.flat()).buffer);
  const text = Buffer.from(strings);
  const header = Buffer.alloc(64);
  Buffer.from('\x7fELF\x02\x01\x01', 'latin1').copy(header);
  header.writeBigUInt64LE(BigInt(64 + dynamic.length + text.length), 40);
  header.writeUInt16LE(64, 58);
  header.writeUInt16LE(3, 60);
  const sections = [
    section(0, 0, 0, 0),
    section(6, 64, dynamic.length, 2),
    section(3, 64 + dynamic.length, text.length, 0),
  ];
  return Buffer.concat([header, dynamic, text, ...sections]);
}

const section = (type: number, offset: number, size: number, link: number) => {
  const bytes = Buffer.alloc(64);
  bytes.writeUInt32LE(type, 4);
  bytes.writeBigUInt64LE(BigInt(offset), 24);
  bytes.writeBigUInt64LE(BigInt(size), 32);
  bytes.writeUInt32LE(link, 40);
  return bytes;
};
