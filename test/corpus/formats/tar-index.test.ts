import assert from 'node:assert/strict';
import type { ByteSource } from '../../../src/corpus/byte-source.ts';
import { tarMembers } from '../../../src/corpus/formats/tar-index.ts';
import { tarBytes } from './write-files.ts';

const GIB = 2 ** 30;

/** A header as POSIX and GNU have it. @param size the field, 12 bytes */
function header(
  name: string,
  size: string | Buffer,
  { type = '0', magic = 'ustar\u000000', prefix = '' } = {},
): Buffer {
  const block = Buffer.alloc(512);
  block.write(name);
  if (typeof size === 'string') block.write(size, 124);
  else block.set(size, 124);
  block.fill(' ', 148, 156);
  block.write(type, 156);
  block.write(magic, 257);
  block.write(prefix, 345);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

const octal = (size: number) => size.toString(8).padStart(11, '0');

/** Records and the header in front of them; the length of a record counts its own digits. */
function pax(records: Readonly<Record<string, string>>, type = 'x'): Buffer {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`);
    const length = [1, 2, 3].map((digits) => rest + digits).find((sum) => String(sum).length === sum - rest)!;
    return `${length} ${key}=${value}\n`;
  });
  return meta(lines.join(''), type);
}

function meta(text: string, type: string): Buffer {
  const data = Buffer.from(text);
  const room = Buffer.alloc(512 * Math.ceil(data.length / 512));
  room.set(data);
  return Buffer.concat([header('meta', octal(data.length), { type }), room]);
}

type Piece = Buffer | number;

/** An archive whose files' bytes are not there but as lengths. */
function archive(...pieces: readonly (Piece | readonly Piece[])[]): ByteSource {
  const placed: { readonly at: number; readonly bytes: Buffer }[] = [];
  let bytes = 0;
  for (const piece of [...pieces.flat(), Buffer.alloc(1024)]) {
    if (typeof piece === 'number') bytes += 512 * Math.ceil(piece / 512);
    else {
      placed.push({ at: bytes, bytes: piece });
      bytes += piece.length;
    }
  }
  const read = async (from: number, to: number) => {
    const found = Buffer.alloc(to - from, 'x');
    for (const piece of placed)
      if (piece.at < to && piece.at + piece.bytes.length > from)
        piece.bytes.copy(found, Math.max(0, piece.at - from), Math.max(0, from - piece.at));
    return found;
  };
  return { name: 'a.tar', bytes, open: async () => ({ read, close: async () => {} }) };
}

const refused = (source: ByteSource, message: RegExp) =>
  assert.rejects(tarMembers(source), { code: 'ERR_SHARD', message });

describe('tarMembers', () => {
  const bytes = 9 * GIB + 1;

  it('takes a size from the pax records, for the next file alone', async () => {
    const source = archive(
      [pax({ size: `${bytes}`, mtime: '1.5' }), header('a.bin', octal(0)), bytes],
      [header('b.bin', octal(3)), 3],
    );
    const offset = 1536;
    const second = offset + 9 * GIB + 512 + 512;
    assert.deepEqual(await tarMembers(source), [
      { path: 'a.bin', offset, bytes },
      { path: 'b.bin', offset: second, bytes: 3 },
    ]);
  });

  it('takes a size in base 256, all of its digits', async () => {
    const size = Buffer.alloc(12);
    size.writeBigUInt64BE(BigInt(bytes), 4);
    size[0] = 0x80;
    const found = await tarMembers(archive(header('a.bin', size, { magic: 'ustar  ' }), bytes));
    assert.deepEqual(found, [{ path: 'a.bin', offset: 512, bytes }]);
    size[2] = 1; // 2 ** 72 and more
    await refused(archive(header('a.bin', size), 1024), /byte 124: expected the size of a file/);
    await refused(archive(header('a.bin', Buffer.alloc(12, 0xff)), 1024), /byte 124: expected the size of a file/); // -1
  });

  it('takes a name from pax records, its own or those of all that follow, and from GNU headers', async () => {
    const long = 'é'.repeat(120);
    const file = (name: string): Piece[] => [header(name, octal(5)), 5];
    const source = archive(
      pax({ comment: 'a\n9 path=no\n', path: `${long}\n.txt` }),
      file('a'),
      meta(`${long}.bin\0`, 'L'),
      meta('elsewhere\0', 'K'),
      file('b'),
      file('c'),
      pax({ path: 'all' }, 'g'),
      file('d'),
      pax({ path: 'own' }),
      file('e'),
      pax({ path: '' }),
      file('f'),
    );
    const names = (await tarMembers(source)).map(({ path }) => path);
    assert.deepEqual(names, [`${long}\n.txt`, `${long}.bin`, 'c', 'all', 'own', 'f']);
  });

  it("joins a name's two parts in POSIX' format, and not in GNU's, where times may stand there", async () => {
    const prefix = '15302701554';
    const source = archive(header('a', octal(0), { prefix }), header('b', octal(0), { prefix, magic: 'ustar  ' }));
    assert.deepEqual(
      (await tarMembers(source)).map(({ path }) => path),
      [`${prefix}/a`, 'b'],
    );
  });

  it('refuses sparse files, whose bytes lie elsewhere, and records that are none', async () => {
    await refused(archive(header('s.bin', octal(512), { type: 'S' }), 512), /stored whole, got `s\.bin`, a sparse one/);
    const sparse = pax({ 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0' });
    await refused(archive(sparse, header('s.bin', octal(512)), 512), /a sparse one/);
    for (const text of ['8 path=a\n', '0 path=a\n', 'x path=a\n', '9 patha\n', '-1 path=a\n', '7'])
      await refused(archive(meta(text, 'x'), header('a', octal(0))), /byte 512: expected a pax record/);
    for (const size of ['-1', '1e3', '99999999999999999999'])
      await refused(archive(pax({ size }), header('a', octal(0))), /byte 1024: expected the size of a file in its pax/);
  });

  it('lists what tar-stream writes', async () => {
    const content = await tarBytes({ 'a.txt': 'hello', [`${'b'.repeat(200)}.txt`]: 'you' });
    const read = async (from: number, to: number) => content.subarray(from, to);
    const source: ByteSource = {
      name: 'a.tar',
      bytes: content.length,
      open: async () => ({ read, close: async () => {} }),
    };
    const found = await tarMembers(source);
    assert.deepEqual(
      found.map(({ path, offset, bytes: size }) => [path, content.toString('utf8', offset, offset + size)]),
      [
        ['a.txt', 'hello'],
        [`${'b'.repeat(200)}.txt`, 'you'],
      ],
    );
  });
});
