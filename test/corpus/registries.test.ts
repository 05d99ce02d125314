import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianRegistry } from '../../src/corpus/debian-registry.ts';
import { pypiRegistry } from '../../src/corpus/pypi-registry.ts';
import { defineRecipe, fetchCorpus, type ArchiveEntry, type Registry } from '../../src/corpus/recipe.ts';
import { storedZip } from '../../src/corpus/stored-zip.ts';
import { fileSource } from '../../src/corpus/byte-source.ts';
import { Zip, withZip } from '../../src/corpus/formats/zip-pool.ts';
import { zipBytes } from './formats/write-files.ts';
import { temporaryFolder } from './folders.ts';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

async function textsOf(entries: AsyncIterable<ArchiveEntry>): Promise<Record<string, string>> {
  const texts: Record<string, string> = {};
  for await (const entry of entries) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of entry.content) chunks.push(chunk);
    texts[entry.path] = Buffer.concat(chunks).toString();
  }
  return texts;
}

describe('pypiRegistry', () => {
  const folder = temporaryFolder();

  it('reads the files of a wheel', async () => {
    const wheel = folder.write('a.whl', zipBytes({ 'a/one.txt': Buffer.from('1'), 'a/two.txt': Buffer.from('2') }));
    assert.deepEqual(await textsOf(pypiRegistry.entries(wheel)), { 'a/one.txt': '1', 'a/two.txt': '2' });
    const broken = folder.write('b.whl', 'no wheel');
    await assert.rejects(textsOf(pypiRegistry.entries(broken)), { code: 'ERR_FETCH', message: /expected a wheel/ });
  });
});

describe('debianRegistry', () => {
  const folder = temporaryFolder();

  it('reads the files of a package', async function () {
    folder.write(
      'pkg/DEBIAN/control',
      'Package: toy\nVersion: 1\nArchitecture: all\nMaintainer: nobody <a@b.c>\nDescription: toy\n',
    );
    folder.write('pkg/usr/share/toy/a.txt', 'hello');
    const archive = join(folder.path, 'toy.deb');
    try {
      execFileSync('dpkg-deb', ['-b', join(folder.path, 'pkg'), archive], { stdio: 'ignore' });
    } catch {
      this.skip(); // no Debian
    }
    const texts = await textsOf(debianRegistry.entries(archive));
    assert.equal(texts['usr/share/toy/a.txt'], 'hello');
    const broken = folder.write('bad.deb', 'no package');
    await assert.rejects(textsOf(debianRegistry.entries(broken)), { code: 'ERR_FETCH', message: /dpkg-deb/ });
  });
});

describe('defineRecipe with `match` and `build`', () => {
  const folder = temporaryFolder();
  const registry: Registry = {
    download: async () => 'archive',
    async *entries() {
      for (const [path, text] of [
        ['data/b.txt', 'B'],
        ['other', 'x'],
        ['data/a.txt', 'A'],
      ] as const)
        yield {
          path,
          content: (async function* () {
            yield Buffer.from(text);
          })(),
          skip: () => {},
        };
    },
  };
  const recipe = (expected: string) =>
    defineRecipe({
      name: 'toy',
      licence: 'CC0-1.0',
      package: { registry: 'debian', name: 'toy' },
      files: [
        {
          match: /^data\//,
          build: (entries) => Buffer.from(entries.map(({ path, bytes }) => `${path}=${bytes.toString()};`).join('')),
          to: 'all.txt',
          bytes: expected.length,
          sha256: sha256(Buffer.from(expected)),
        },
      ],
    });

  it('makes one file of many, sorted by path, and checks it', async () => {
    const expected = 'data/a.txt=A;data/b.txt=B;';
    const { files, fetched } = await fetchCorpus(recipe(expected), { folder: folder.path, registry });
    assert.ok(fetched);
    assert.equal(readFileSync(files[0]!, 'utf8'), expected);
    await assert.rejects(
      fetchCorpus(recipe('data/a.txt=A;data/b.txt=C;'), { folder: join(folder.path, 'x'), registry }),
      { code: 'ERR_FETCH' },
    );
  });

  it('refuses neither and both of `entry` and `match`, and a version left out', () => {
    const file = { to: 'a', bytes: 1, sha256: '0'.repeat(64) };
    const base = { name: 'toy', licence: 'CC0-1.0', package: { registry: 'debian', name: 'toy' } as const };
    assert.throws(() => defineRecipe({ ...base, files: [file] }), { code: 'ERR_OPTIONS' });
    assert.throws(
      () => defineRecipe({ ...base, files: [{ ...file, entry: 'a', match: /a/, build: () => Buffer.of() }] }),
      { code: 'ERR_OPTIONS' },
    );
    assert.throws(
      () => defineRecipe({ ...base, package: { registry: 'npm', name: 'toy' }, files: [{ ...file, entry: 'a' }] }),
      { code: 'ERR_OPTIONS' },
    );
  });
});

describe('storedZip', () => {
  const folder = temporaryFolder();

  it('is read by a zip library, and is the same every time', async () => {
    const files = [
      { path: 'ä/1.bin', bytes: Buffer.from('one') },
      { path: 'b/2.bin', bytes: Buffer.alloc(3000, 7) },
    ];
    const path = folder.write('a.zip', storedZip(files));
    assert.deepEqual(storedZip(files), readFileSync(path));
    const source = { ...(await fileSource(path, 'a.zip')), path };
    await withZip(source, async (zip) => {
      assert.ok(zip instanceof Zip);
      assert.deepEqual(
        (await zip.entries()).map((entry) => entry.path),
        ['b/2.bin', 'ä/1.bin'],
      );
      for (const file of files) assert.deepEqual(await zip.read(file.path), file.bytes);
    });
  });
});
