import assert from 'node:assert/strict';
import { appendFileSync, rmSync, symlinkSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { textCorpus } from '../../src/corpus/text-corpus.ts';
import { byteVocabulary, CharacterVocabulary } from '../../src/corpus/vocabulary.ts';
import type { Sample } from '../../src/stream/sample.ts';
import { collect, ids, openFiles, temporaryFolder } from './folders.ts';

const inOrder = { seed: 0, epochs: 1, shuffle: false };
const shuffled = { seed: 3, epochs: 1 };
const integers = (value: Sample[string] | undefined): Int32Array => {
  assert.ok(value instanceof Int32Array);
  return value;
};
/** Text with characters of one to four bytes, 40,000 characters or more: several marks of the index. */
const longText = () =>
  Array.from({ length: 9000 }, (_, i) => ['ab', 'é', '—c', '😀', '\n'][(i * i + (i >> 3)) % 5]! + (i % 10)).join('');

/** The characters that windows and their targets take, by place. */
const placesOf = (samples: readonly Sample[], window: number) =>
  new Set(samples.flatMap(({ id }) => Array.from({ length: window + 1 }, (_, i) => Number(id.split(':')[1]) + i)));

describe('textCorpus', () => {
  const folder = temporaryFolder();

  it('cuts a text into windows, with the next characters as targets', async () => {
    const corpus = await textCorpus({ text: 'abcdefgh', window: 3, name: 't' });
    const samples = await collect(corpus.samples(inOrder));
    assert.equal(corpus.length, 2);
    assert.deepEqual(samples, [
      { id: 't:0', x: Int32Array.of(0, 1, 2), y: Int32Array.of(1, 2, 3) },
      { id: 't:3', x: Int32Array.of(3, 4, 5), y: Int32Array.of(4, 5, 6) },
    ]);
    assert.deepEqual(corpus.schema, { x: { type: 'int32', shape: [3] }, y: { type: 'int32', shape: [3] } });
    assert.deepEqual(corpus.classes, { y: 8 });
  });

  it('starts a window every `stride` characters', async () => {
    const corpus = await textCorpus({ text: 'abcdefgh', window: 3, stride: 2 });
    assert.deepEqual(await ids(corpus.samples(inOrder)), ['text:0', 'text:2', 'text:4']);
  });

  it('takes the last window whose last target is the last character', async () => {
    const corpus = await textCorpus({ text: 'abcd', window: 3 });
    const [only, ...more] = await collect(corpus.samples(inOrder));
    assert.equal(corpus.vocabulary.decode(integers(only!['y'])), 'bcd');
    assert.deepEqual(more, []);
  });

  it('gives the windows of the text, whatever its length, window, stride and buffer', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 300 }),
        fc.integer({ min: 1, max: 20 }),
        fc.nat(19),
        fc.integer({ min: 1, max: 100 }),
        async (text, window, step, shuffleBuffer) => {
          const characters = Array.from(text);
          fc.pre(characters.length > window);
          const stride = 1 + (step % window);
          const expected = [];
          for (let from = 0; from + window < characters.length; from += stride)
            expected.push(
              `text:${from} ${characters.slice(from, from + window).join('')} ${characters.slice(from + 1, from + window + 1).join('')}`,
            );
          const corpus = await textCorpus({ text, window, stride, shuffleBuffer });
          const read = async (options: typeof shuffled) =>
            (await collect(corpus.samples(options))).map(
              ({ id, x, y }) =>
                `${id} ${corpus.vocabulary.decode(integers(x))} ${corpus.vocabulary.decode(integers(y))}`,
            );
          assert.equal(corpus.length, expected.length);
          assert.deepEqual(await read(inOrder), expected);
          assert.deepEqual((await read(shuffled)).toSorted(), expected.toSorted());
        },
      ),
      { seed: 1, numRuns: 60 },
    );
  });

  it('finds any character of a long file without reading those before it', async () => {
    const text = longText();
    const characters = Array.from(text);
    for (const [name, data] of [
      ['plain.txt', text],
      ['marked.txt', `\uFEFF${text}`],
    ] as const) {
      const corpus = await textCorpus({ path: folder.write(name, data), window: 50, stride: 7, shuffleBuffer: 64 });
      let seen = 0;
      for await (const { id, x, y } of corpus.samples(shuffled)) {
        const at = Number(id.split(':')[1]);
        assert.equal(corpus.vocabulary.decode(integers(x)), characters.slice(at, at + 50).join(''), `${name}, ${id}`);
        assert.equal(
          corpus.vocabulary.decode(integers(y)),
          characters.slice(at + 1, at + 51).join(''),
          `${name}, ${id}`,
        );
        seen += 1;
      }
      assert.equal(seen, corpus.length);
      assert.equal(corpus.length, Math.floor((characters.length - 51) / 7) + 1);
    }
  });

  it('decodes characters that lie across the borders of its chunks', async () => {
    const text = 'a' + '😀'.repeat(300_000); // 1.2 MB: a chunk of 1 MiB ends inside a character
    const corpus = await textCorpus({ path: folder.write('wide.txt', text), window: 1000 });
    assert.deepEqual(corpus.shards, [{ name: 'wide.txt', bytes: 1_200_001, units: 300_001, windows: 300 }]);
    assert.equal(corpus.vocabulary.size, 2);
  });

  it('reads bytes as they are, UTF-8 or not', async () => {
    const corpus = await textCorpus({
      path: folder.write('raw.bin', Uint8Array.of(0, 255, 0xc3, 7, 9)),
      window: 2,
      unit: 'byte',
    });
    assert.equal(corpus.vocabulary, byteVocabulary);
    assert.deepEqual(await collect(corpus.samples(inOrder)), [
      { id: 'raw.bin:0', x: Int32Array.of(0, 255), y: Int32Array.of(255, 0xc3) },
      { id: 'raw.bin:2', x: Int32Array.of(0xc3, 7), y: Int32Array.of(7, 9) },
    ]);
  });

  it('reads the text files of a folder, at any depth, by name', async () => {
    folder.write('b.txt', 'bbbb');
    folder.write('a/z.md', 'aaaa');
    folder.write('a/z.png', 'no text');
    folder.write('.hidden/x.txt', 'hidden');
    folder.write('short.txt', 'x');
    const corpus = await textCorpus({ path: folder.path, window: 3 });
    assert.deepEqual(await ids(corpus.samples(inOrder)), ['a/z.md:0', 'b.txt:0']);
    assert.deepEqual(
      corpus.shards.map(({ name, windows }) => [name, windows]),
      [
        ['a/z.md', 1],
        ['b.txt', 1],
        ['short.txt', 0],
      ],
    );
    assert.equal(corpus.vocabulary.size, 3, 'the vocabulary is that of all files');
    assert.deepEqual((await textCorpus({ path: folder.path, window: 3, extensions: ['.png'] })).shards.length, 1);
  });

  it('takes a vocabulary from elsewhere, and names a character that it lacks', async () => {
    const vocabulary = new CharacterVocabulary([97, 98]);
    const known = await textCorpus({ text: 'abab', window: 2, vocabulary });
    assert.equal(known.classes?.['y'], 2);
    const unknown = await textCorpus({ text: 'ababc', window: 2, name: 'new.txt', vocabulary });
    await assert.rejects(ids(unknown.samples(inOrder)), {
      code: 'ERR_CORPUS',
      message: /^Text `new\.txt` at character 4: .* got "c" \(U\+0063\)/,
    });
  });

  it('holds no file open between two samples, after a break, and after an abort', async () => {
    const corpus = await textCorpus({ path: folder.write('t.txt', longText()), window: 10, shuffleBuffer: 100 });
    const controller = new AbortController();
    for await (const _ of corpus.samples({ seed: 1 })) break;
    assert.deepEqual(openFiles(folder.path) ?? [], []);
    await assert.rejects(
      async () => {
        for await (const _ of corpus.samples({ seed: 1, signal: controller.signal })) controller.abort();
      },
      { name: 'AbortError' },
    );
    assert.deepEqual(openFiles(folder.path) ?? [], []);
    const abandoned = corpus.samples({ seed: 1 })[Symbol.asyncIterator]();
    await abandoned.next();
    for (let i = 0; i < 1000 && openFiles(folder.path)?.length; i++) await setImmediate();
    assert.deepEqual(openFiles(folder.path) ?? [], [], 'nobody asks the abandoned stream for anything any more');
  });

  it('stops the first pass when it is aborted', async () => {
    const path = folder.write('t.txt', longText());
    await assert.rejects(textCorpus({ path, window: 10, signal: AbortSignal.abort() }), { name: 'AbortError' });
    assert.deepEqual(openFiles(folder.path) ?? [], []);
  });

  it('refuses a file that changed after it was opened', async () => {
    const path = folder.write('t.txt', longText());
    const corpus = await textCorpus({ path, window: 10 });
    appendFileSync(path, 'more');
    await assert.rejects(ids(corpus.samples(inOrder)), {
      code: 'ERR_SHARD',
      message: /^Text `t\.txt` at byte 0: expected the file as it was opened/,
    });
    assert.deepEqual(openFiles(folder.path) ?? [], []);
  });

  it('names a file that went away after it was opened', async () => {
    const path = folder.write('t.txt', longText());
    const corpus = await textCorpus({ path, window: 10 });
    rmSync(path);
    await assert.rejects(ids(corpus.samples(inOrder)), {
      code: 'ERR_SHARD',
      message: /^Text `t\.txt` at byte 0: expected a file that can be read, got ENOENT/,
    });
  });

  describe('bad input', () => {
    it('names a file of a folder that cannot be read', async () => {
      folder.write('good.txt', longText());
      symlinkSync(join(folder.path, 'none'), join(folder.path, 'broken.txt'));
      await assert.rejects(textCorpus({ path: folder.path, window: 3 }), {
        code: 'ERR_SHARD',
        message: /^Text `broken\.txt` at byte 0: .*ENOENT/,
      });
    });

    it('names a path that is missing', async () => {
      const path = join(folder.path, 'none.txt');
      await assert.rejects(textCorpus({ path, window: 3 }), {
        code: 'ERR_CORPUS',
        message: /expected a file or folder at `.*none\.txt`, got ENOENT/,
      });
    });

    it('refuses an empty file, and a text shorter than one window', async () => {
      const path = folder.write('empty.txt', '');
      for (const unit of ['character', 'byte'] as const)
        await assert.rejects(textCorpus({ path, window: 3, unit }), {
          code: 'ERR_CORPUS',
          message: /expected at least 4 \w+s in `?.*empty\.txt.*, got an empty text\. Check the file\./,
        });
      await assert.rejects(textCorpus({ text: 'abc', window: 3 }), {
        code: 'ERR_CORPUS',
        message:
          'textCorpus(): expected at least 4 characters in `text` (a window and its last target), got 3. Give more text, or a smaller `window`.',
      });
    });

    it('refuses a folder without text', async () => {
      await mkdir(join(folder.path, 'pictures'));
      folder.write('pictures/a.png', 'x');
      await assert.rejects(textCorpus({ path: folder.path, window: 3 }), {
        code: 'ERR_CORPUS',
        message: /expected text files \(\.txt, \.text, \.md, \.rst\) in .*, got none among 2 entries/,
      });
    });

    it('refuses a file that is not UTF-8, unless it is read as bytes', async () => {
      const path = folder.write('latin1.txt', Buffer.from('caf\xe9 noir', 'latin1'));
      await assert.rejects(textCorpus({ path, window: 3 }), {
        code: 'ERR_SHARD',
        message: /^Text `latin1\.txt` at byte 4: expected UTF-8, got 0x20/,
      });
      assert.equal((await textCorpus({ path, window: 3, unit: 'byte' })).length, 2);
    });

    it('refuses half a character in a string', async () => {
      await assert.rejects(textCorpus({ text: 'abc\ud83d', window: 2 }), {
        code: 'ERR_CORPUS',
        message: /surrogate pair at unit 3/,
      });
    });

    const cases: [string, Record<string, unknown>, RegExp][] = [
      ['a window of 0', { text: 'abc', window: 0 }, /`window`/],
      ['a window that is no whole number', { text: 'abc', window: 1.5 }, /`window`/],
      ['a stride of 0', { text: 'abc', window: 1, stride: 0 }, /`stride`/],
      [
        'a stride longer than the window',
        { text: 'abcdef', window: 2, stride: 3 },
        /`stride` must be at most `window`/,
      ],
      ['no text at all', { window: 2 }, /`path` must be given, or `text`, and not both/],
      ['a path and a text', { text: 'abc', path: 'x', window: 2 }, /and not both/],
      ['a misspelt option', { text: 'abc', window: 2, strid: 1 }, /"strid"/],
      ['an unknown unit', { text: 'abc', window: 2, unit: 'word' }, /`unit`/],
      [
        'a vocabulary of another unit',
        { text: 'abc', window: 2, vocabulary: byteVocabulary },
        /`vocabulary` must be of the same `unit`/,
      ],
      [
        'a vocabulary that is none',
        { text: 'abc', window: 2, vocabulary: {} },
        /`vocabulary` must come from this toolkit/,
      ],
    ];
    for (const [what, options, message] of cases) {
      it(`refuses ${what}`, async () => {
        // @ts-expect-error none of these is known to be right
        await assert.rejects(textCorpus(options), { code: 'ERR_OPTIONS', message });
      });
    }
  });
});

describe('textCorpus().split', () => {
  it('shares no character between the parts, targets included', async () => {
    for (const blocks of [1, 4]) {
      const corpus = await textCorpus({ text: longText(), window: 10, stride: 3 });
      const { train, validation } = corpus.split({ validation: 0.2, blocks });
      const trained = placesOf(await collect(train.samples(shuffled)), 10);
      const validated = placesOf(await collect(validation.samples(shuffled)), 10);
      for (const place of validated) assert.ok(!trained.has(place));
      const units = corpus.shards[0]!.units;
      assert.ok(trained.size > 0.79 * units && validated.size > 0.19 * units);
    }
  });

  it('keeps the end by default, and the vocabulary of the whole', async () => {
    const { train, validation } = (await textCorpus({ text: 'aaaaaaaaab', window: 1, name: 't' })).split({
      validation: 0.2,
    });
    assert.deepEqual(await ids(validation.samples(inOrder)), ['t:8']);
    assert.equal(train.vocabulary.size, 2);
    assert.deepEqual([train.name, validation.name, train.length], ['t/train', 't/validation', 7]);
  });

  it('can be split again', async () => {
    const { train } = (await textCorpus({ text: longText(), window: 10 })).split();
    const again = train.split({ validation: 0.5 });
    const both = [...(await ids(again.train.samples(inOrder))), ...(await ids(again.validation.samples(inOrder)))];
    assert.equal(new Set(both).size, again.train.length + again.validation.length);
  });

  it('refuses a part that is too short for one window', async () => {
    const corpus = await textCorpus({ text: 'abcdefghij', window: 4, name: 't' });
    assert.throws(() => corpus.split({ validation: 0.1 }), {
      code: 'ERR_CORPUS',
      message:
        'textCorpus(`t`).split(): expected at least one sample in `validation`, got none. Change `validation`, use fewer `blocks`, or add data.',
    });
  });
});
