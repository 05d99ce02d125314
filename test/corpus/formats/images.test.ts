import assert from 'node:assert/strict';
import { renameSync, utimesSync } from 'node:fs';
import { crc32, deflateSync } from 'node:zlib';
import fc from 'fast-check';
import sharp from 'sharp';
import { corpus, type CorpusOptions } from '../../../src/corpus/open-corpus.ts';
import { recordCorpus } from '../../../src/corpus/record-corpus.ts';
import type { ShardedCorpus } from '../../../src/corpus/sharded-corpus.ts';
import { storedZip } from '../../../src/corpus/stored-zip.ts';
import { writeRecords } from '../../../src/corpus/write-records.ts';
import type { Sample } from '../../../src/stream/sample.ts';
import { collect, openFiles, temporaryFolder } from '../folders.ts';
import { liarZip, png, zipBytes, type ZipFile } from './write-files.ts';

const small = { height: 8, width: 8 };
const passes = { seed: 3, epochs: 2 };

/** Pictures in which each pixel tells its place, so that what was done to one can be seen. */
const gradient = (width: number, height: number) =>
  sharp(
    Uint8Array.from({ length: width * height * 3 }, (_, i) => {
      const at = Math.floor(i / 3);
      return [(at % width) * 2, Math.floor(at / width) * 2, 99][i % 3]!;
    }),
    { raw: { width, height, channels: 3 } },
  );

describe('corpus of images', () => {
  const folder = temporaryFolder();
  const open = async (options: Partial<CorpusOptions> = {}) =>
    (await corpus({ path: folder.path, image: small, ...options })) as ShardedCorpus;
  const first = async (options: Partial<CorpusOptions> = {}) =>
    (await collect((await open(options)).samples({ seed: 1, epochs: 1, shuffle: false })))[0]!['x'] as Uint8Array;
  const augment = { resizedCrop: { scale: [0.2, 1] as [number, number] }, flip: 0.5, randAugment: {} };

  describe('with `augment`', () => {
    beforeEach(async () => {
      for (const [zip, from] of [
        ['a.zip', 0],
        ['b.zip', 12],
      ] as const)
        folder.write(
          zip,
          zipBytes(
            Object.fromEntries(
              await Promise.all(
                Array.from({ length: 12 }, async (_, i) => [
                  `${i % 2 === 0 ? 'even' : 'odd'}/${from + i}.png`,
                  await gradient(30 + i, 20 + from)
                    .png()
                    .toBuffer(),
                ]),
              ),
            ),
          ),
        );
    });

    it('gives the same samples in the same order with any number of threads', async () => {
      const [none, one, three] = await Promise.all(
        [0, 1, 3].map(async (augmentWorkers) => collect((await open({ augment, augmentWorkers })).samples(passes))),
      );
      assert.equal(none!.length, 48);
      assert.deepEqual(one, none);
      assert.deepEqual(three, none);
    });

    it('keeps ids and classes, and draws anew each epoch', async () => {
      const augmented = await collect((await open({ augment })).samples(passes));
      const plain = await collect((await open()).samples(passes));
      const keys = (samples: Sample[]) => samples.map(({ id, y }) => [id, y]);
      assert.deepEqual(keys(augmented), keys(plain));
      const ofEpoch = (from: number) => new Map(augmented.slice(from, from + 24).map(({ id, x }) => [id, x]));
      const [epoch0, epoch1] = [ofEpoch(0), ofEpoch(24)];
      const same = [...epoch0].filter(([id, x]) => Buffer.from(x as Uint8Array).equals(epoch1.get(id) as Uint8Array));
      assert.deepEqual([epoch0.size, epoch1.size, same.length], [24, 24, 0]);
    });

    it('augments alike when the stream is gone on with from anywhere', async () => {
      const opened = await open({ augment });
      const whole = opened.samples(passes);
      const all = await collect(whole);
      for (const cut of [1, 17, 24, 31]) {
        const rest = await collect((await open({ augment })).samples({ ...passes, from: whole.position!(cut) }));
        assert.deepEqual(rest, all.slice(cut), `from ${cut}`);
      }
    });

    it('leaves the validation part of a split as it is', async () => {
      const parts = (await open({ augment })).split({ validation: 0.25 });
      const plain = (await open()).split({ validation: 0.25 });
      const once = { seed: 3, epochs: 1 };
      assert.deepEqual(await collect(parts.validation.samples(once)), await collect(plain.validation.samples(once)));
      assert.notDeepEqual(await collect(parts.train.samples(once)), await collect(plain.train.samples(once)));
    });

    it('leaves bad images out and counts them, in whichever thread they are met', async () => {
      folder.write('c.zip', zipBytes({ 'odd/bad.png': Buffer.from('\x89PNG\r\n\x1a\nno more', 'latin1') }));
      for (const augmentWorkers of [0, 2]) {
        const opened = await open({ augment, augmentWorkers, onBadSample: 'skip' });
        assert.equal((await collect(opened.samples({ seed: 3, epochs: 1 }))).length, 24);
        assert.deepEqual(
          opened.badSamples!.samples.map(({ id }) => id),
          ['c.zip:odd/bad.png'],
        );
        await assert.rejects(collect((await open({ augment, augmentWorkers })).samples(passes)), {
          code: 'ERR_SHARD',
          message: /`c\.zip`.*expected an image/,
        });
      }
    });

    it('stops at an abort and at a break, and goes on decoding nothing', async () => {
      const opened = await open({ augment });
      const abort = new AbortController();
      const samples = opened.samples({ ...passes, signal: abort.signal });
      for await (const { id } of opened.samples(passes)) if (id) break;
      const iterator = samples[Symbol.asyncIterator]();
      assert.equal((await iterator.next()).done, false);
      abort.abort(new Error('enough'));
      await assert.rejects(iterator.next(), { message: 'enough' });
      assert.equal((await iterator.next()).done, true);
    });

    it('cuts the part from the whole image, before it is made small', async () => {
      folder.write('only/x/1.png', await gradient(100, 100).png().toBuffer());
      const path = `${folder.path}/only`;
      const quarter = { resizedCrop: { scale: [0.25, 0.25] as [number, number], ratio: [1, 1] as [number, number] } };
      const x = await first({ path, augment: quarter });
      // the gradient rises by 2 a pixel: across 50 pixels by 100, less half a pixel of the eight at each end
      const rise = x[7 * 3]! - x[0]!;
      assert.ok(Math.abs(rise - (100 * 7) / 8) <= 3, `${rise}`);
    });

    it('refuses what is no picture', async () => {
      folder.write('t/a.csv', 'x,label\n1,0\n2,1\n');
      folder.write('u/a.txt', 'Call me Ishmael. '.repeat(50));
      for (const part of ['t', 'u'])
        await assert.rejects(corpus({ path: `${folder.path}/${part}`, augment: { flip: 1 } }), {
          code: 'ERR_CORPUS',
          message: /expected pictures in `x`/,
        });
      await assert.rejects(open({ augment: { flips: 1 } as never }), { code: 'ERR_OPTIONS', message: /flips/ });
    });

    it('serves record shards of pixels, the same as the images they were packed from', async () => {
      const plain = await open();
      const records = `${folder.path}/packed`;
      await writeRecords(records, plain.samples({ seed: 1, epochs: 1 }), { schema: plain.schema });
      const onPixels = { crop: { padding: 2 }, flip: 0.5 };
      const byId = (samples: Sample[]) => new Map(samples.map((sample) => [sample.id, sample['x']]));
      const once = { seed: 3, epochs: 1 };
      assert.deepEqual(
        byId(await collect((await recordCorpus(records, { augment: onPixels })).samples(once))),
        byId(await collect((await open({ augment: onPixels })).samples(once))),
      );
      const mirrored = await collect((await recordCorpus(records, { augment: { flip: 1 } })).samples(once));
      const before = byId(await collect((await recordCorpus(records)).samples(once)));
      for (const { id, x } of mirrored)
        assert.deepEqual((x as Uint8Array).slice(0, 3), (before.get(id) as Uint8Array).slice(21, 24));
    });
  });

  describe('of many kinds', () => {
    const colour = { r: 200, g: 100, b: 50 };
    const grey = { background: { r: 90, g: 90, b: 90 } };
    const solid = (options: object = {}) =>
      sharp({ create: { width: 10, height: 10, channels: 3, background: colour, ...options } });
    const near = (x: Uint8Array, expected: readonly number[], within: number) => {
      for (let i = 0; i < x.length; i++)
        assert.ok(Math.abs(x[i]! - expected[i % 3]!) <= within, `${i}: ${x[i]} and not ${expected[i % 3]}`);
    };
    for (const [kind, bytes, expected, within = 0] of [
      ['a palette', () => solid().png({ palette: true }).toBuffer(), [200, 100, 50]],
      ['greys', () => solid(grey).greyscale().png().toBuffer(), [90, 90, 90]],
      ['greys in JPEG', () => solid(grey).greyscale().jpeg().toBuffer(), [90, 90, 90], 1],
      ['16 bits', () => solid().toColourspace('rgb16').png().toBuffer(), [200, 100, 50], 1],
      ['CMYK', () => solid(grey).toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer(), [90, 90, 90], 16],
      [
        'half transparent pixels',
        () =>
          solid({ channels: 4, background: { ...colour, alpha: 0.5 } })
            .png()
            .toBuffer(),
        [227, 177, 152],
        2,
      ],
      [
        'greys with transparency',
        () =>
          solid({ channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } })
            .greyscale()
            .png()
            .toBuffer(),
        [255, 255, 255],
      ],
      ['WebP', () => solid().webp({ lossless: true }).toBuffer(), [200, 100, 50]],
      ['GIF', () => solid().gif().toBuffer(), [200, 100, 50], 2],
      ['TIFF', () => solid().tiff({ compression: 'lzw' }).toBuffer(), [200, 100, 50]],
      ['AVIF', () => solid().avif({ lossless: true }).toBuffer(), [200, 100, 50], 3],
    ] as const)
      it(`reads ${kind} as colours`, async () => {
        folder.write('a/1.png', await bytes()); // its bytes say what it is, not its name
        near(await first(), expected, within);
      });

    it('turns upright what a camera held otherwise, all eight ways', async () => {
      const corners = { width: 2, height: 2, channels: 3 } as const;
      const upright = Uint8Array.of(250, 0, 0, 0, 250, 0, 0, 0, 250, 250, 250, 250);
      const colours: Record<string, number[]> = { r: [250, 0, 0], g: [0, 250, 0], b: [0, 0, 250], w: [250, 250, 250] };
      // what is stored, row after row, so that the orientation's turn gives r g / b w: from the EXIF standard's table
      const turned = { 1: 'rgbw', 2: 'grwb', 3: 'wbgr', 4: 'bwrg', 5: 'rbgw', 6: 'gwrb', 7: 'wgbr', 8: 'brwg' };
      for (const [orientation, letters] of Object.entries(turned)) {
        const raw = Uint8Array.from(letters.split('').flatMap((letter) => colours[letter]!));
        const bytes = await sharp(raw, { raw: corners })
          .resize(64, 64, { kernel: 'nearest' })
          .withMetadata({ orientation: Number(orientation) })
          .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
          .toBuffer();
        folder.write('a/1.jpg', bytes);
        const x = await first({ image: { height: 2, width: 2 } });
        x.forEach((value, i) => assert.ok(Math.abs(value - upright[i]!) < 40, `${orientation}: ${[...x].join()}`));
      }
    });
  });

  describe('that are damaged', () => {
    const all = { seed: 1, epochs: 1 };
    const refuses = async (message: RegExp, options: Partial<CorpusOptions> = {}) => {
      await assert.rejects(async () => collect((await open(options)).samples(all)), { code: 'ERR_SHARD', message });
      assert.deepEqual(openFiles(folder.path)?.filter((name) => !name.endsWith('.zip')) ?? [], []);
    };

    it('refuses a JPEG and a PNG that are cut short anywhere', async () => {
      for (const whole of [await gradient(64, 64).jpeg().toBuffer(), await gradient(64, 64).png().toBuffer()])
        for (const share of [0.1, 0.5, 0.9, 0.97]) {
          folder.write('a/1.jpg', whole.subarray(0, Math.floor(whole.length * share)));
          await refuses(/`.*` at byte 0: expected an image/);
        }
    });

    it('refuses a picture that claims to be larger than it may, before it is decoded', async () => {
      const bytes = await gradient(8, 8).png().toBuffer();
      bytes.writeUInt32BE(60_000, 16); // the width in IHDR
      bytes.writeUInt32BE(60_000, 20);
      bytes.writeUInt32BE(crc32(bytes.subarray(12, 29)), 29);
      folder.write('a/1.png', bytes);
      const before = process.memoryUsage().rss;
      await refuses(/expected an image .*pixel limit/);
      await refuses(/expected an image/, { augment });
      assert.ok(process.memoryUsage().rss - before < 200 * 2 ** 20, 'far less than the 10.8 GB of its pixels');
    });

    it('refuses a picture that lies about its size within the limit', async () => {
      const bytes = await gradient(8, 8).png().toBuffer();
      bytes.writeUInt32BE(4000, 20);
      bytes.writeUInt32BE(crc32(bytes.subarray(12, 29)), 29);
      folder.write('a/1.png', bytes);
      await refuses(/expected an image/);
    });

    it('decodes a picture of one colour that is packed a thousandfold, in little memory', async () => {
      const [width, height] = [9000, 9000];
      const row = Buffer.alloc(1 + width);
      const chunk = (type: string, data: Uint8Array) => {
        const body = Buffer.concat([Buffer.from(type), data]);
        const frame = Buffer.alloc(body.length + 8);
        frame.writeUInt32BE(data.length);
        frame.set(body, 4);
        frame.writeUInt32BE(crc32(body), body.length + 4);
        return frame;
      };
      const header = Buffer.alloc(13);
      header.writeUInt32BE(width);
      header.writeUInt32BE(height, 4);
      header.set([8, 0], 8); // eight bits of grey
      const data = deflateSync(Buffer.concat(Array.from({ length: height }, () => row)));
      folder.write(
        'a/1.png',
        Buffer.concat([
          Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
          chunk('IHDR', header),
          chunk('IDAT', data),
          chunk('IEND', Buffer.of()),
        ]),
      );
      assert.ok(data.length < 100_000, 'a bomb of some KB, 81 MB unpacked');
      assert.deepEqual(
        [...(await first())],
        Array.from({ length: 192 }, () => 0),
      );
    }).timeout(20_000);

    it('gives a typed error or whole pixels whatever bytes are flipped', async () => {
      const files = await Promise.all([
        gradient(24, 16).jpeg().toBuffer(),
        gradient(24, 16).png({ palette: true }).toBuffer(),
        gradient(24, 16).webp().toBuffer(),
        gradient(24, 16).gif().toBuffer(),
        gradient(24, 16).tiff().toBuffer(),
      ]);
      const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 6 });
      const ends = { whole: 0, refused: 0 };
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...files), flips, fc.boolean(), async (file, changes, augmented) => {
          const bytes = Buffer.from(file);
          for (const [at, by] of changes) bytes[16 + (at % (bytes.length - 16))]! ^= by; // its first bytes name its kind
          folder.write('a/1.jpg', bytes);
          const opened = await open({
            onBadSample: 'skip',
            image: { ...small, maxPixels: 1e6 },
            ...(augmented && { augment }),
          });
          const samples = await collect(opened.samples(all));
          if (samples.length === 1) assert.equal((samples[0]!['x'] as Uint8Array).length, 192);
          else assert.equal(opened.badSamples!.count, 1);
          ends[samples.length === 1 ? 'whole' : 'refused'] += 1;
        }),
        { seed: 5, numRuns: 150 },
      );
      assert.ok(ends.whole > 10 && ends.refused > 10, JSON.stringify(ends));
    }).timeout(30_000);

    it('are bad samples in a folder, whatever they begin with: named, or left out and counted', async () => {
      folder.write('one/good.png', await png({ r: 1, g: 2, b: 3 }));
      for (const bytes of ['', 'GARBAGE of another kind']) {
        folder.write('two/bad.jpg', bytes);
        await assert.rejects(collect((await open()).samples({ seed: 1, epochs: 1 })), {
          code: 'ERR_SHARD',
          message: /expected an image \(`two\/bad\.jpg`\)/,
        });
        const opened = await open({ onBadSample: 'skip' });
        assert.equal((await collect(opened.samples({ seed: 1, epochs: 1 }))).length, 1);
        assert.deepEqual(
          opened.badSamples!.samples.map(({ id }) => id),
          ['two/bad.jpg'],
        );
      }
      folder.write('three.zip', 'no archive');
      await assert.rejects(open(), { code: 'ERR_SHARD', message: /three\.zip/ });
    });

    describe('in zip archives', () => {
      let image: Buffer;
      before(async () => {
        image = await png({ r: 1, g: 2, b: 3 });
      });
      const noise = Buffer.from(Array.from({ length: 3000 }, (_, i) => (i * i * 31) % 251));

      for (const [what, file, message] of [
        ['a file that grows a thousandfold', { data: Buffer.alloc(3e6) }, /1000 times what is packed/],
        ['a file that says it is larger than any image', { data: noise, size: 2 ** 30 }, /at most 268435456 bytes/],
        ['a file that unpacks to more than it says', { data: noise, size: 1000 }, /a file with its CRC/],
        ['a file that unpacks to less than it says', { data: noise, size: 5000 }, /5000 bytes, as the archive says/],
        ['a wrong CRC', { data: noise, crc: 7 }, /a CRC of 00000007/],
        ['an encrypted file', { data: noise, flags: 1 }, /not encrypted/],
        ['a file packed in an unknown way', { data: noise, method: 99 }, /stored or deflated.*method 99/],
        ['a file that reaches beyond the archive', { data: noise, packedSize: 2 ** 20 }, /bytes in the archive/],
      ] satisfies [string, Partial<ZipFile> & { data: Buffer }, RegExp][])
        it(`refuses ${what}, or leaves it out`, async () => {
          folder.write(
            'z.zip',
            liarZip([
              { name: 'a/1.png', ...file },
              { name: 'a/2.png', data: image },
            ]),
          );
          await refuses(message);
          const opened = await open({ onBadSample: 'skip' });
          assert.deepEqual(
            (await collect(opened.samples(all))).map(({ id }) => id),
            ['z.zip:a/2.png'],
          );
          assert.deepEqual(
            opened.badSamples!.samples.map(({ id }) => id),
            ['z.zip:a/1.png'],
          );
        });

      it('reads deflated files, and those with a long extra field', async () => {
        folder.write(
          'z.zip',
          liarZip([
            { name: 'a/1.png', data: image },
            { name: 'a/2.png', data: image, method: 0, extra: 500 },
          ]),
        );
        assert.equal((await collect((await open()).samples(all))).length, 2);
      });

      it('refuses an archive that names a file twice', async () => {
        folder.write(
          'z.zip',
          liarZip([
            { name: 'a/1.png', data: image },
            { name: 'a/1.png', data: image },
          ]),
        );
        await refuses(/2 files, each under a name of its own, got 1 names/);
      });

      it('refuses an archive that was replaced by another after it was opened', async () => {
        const path = folder.write('z.zip', liarZip([{ name: 'a/1.png', data: image }]));
        const opened = await open();
        renameSync(folder.write('new', liarZip([{ name: 'a/1.png', data: image, extra: 9 }])), path);
        utimesSync(path, 1, 1);
        await new Promise((resolve) => setTimeout(resolve, 1100)); // by now it is closed
        await assert.rejects(collect(opened.samples(all)), { code: 'ERR_SHARD', message: /as it was opened/ });
      });

      it('names one unreadable picture among thousands, or leaves it out and counts it', async () => {
        const bad = Buffer.from(image);
        bad.fill(0, 40, 60); // within what is packed: the archive's own checksum is right
        const names = Array.from({ length: 2500 }, (_, i) => `${i % 2 === 0 ? 'even' : 'odd'}/${i}.png`);
        folder.write('z.zip', storedZip(names.map((path, i) => ({ path, bytes: i === 1733 ? bad : image }))));
        await refuses(/`z\.zip`.*expected an image/);
        const opened = await open({ onBadSample: 'skip', image: { height: 1, width: 1 } });
        assert.equal((await collect(opened.samples(all))).length, 2499);
        assert.deepEqual(
          [opened.badSamples!.count, opened.badSamples!.samples.map(({ id }) => id)],
          [1, ['z.zip:odd/1733.png']],
        );
      }).timeout(30_000);

      it('refuses an archive without a picture, and says what it holds', async () => {
        folder.write('z.zip', storedZip([{ path: 'a/notes.txt', bytes: Buffer.from('none') }]));
        await assert.rejects(open(), {
          code: 'ERR_CORPUS',
          message: /expected images in `z\.zip`, got 1 other files/,
        });
      });

      it('refuses an archive cut short anywhere', async () => {
        const whole = liarZip([
          { name: 'a/1.png', data: image },
          { name: 'b/2.png', data: image },
        ]);
        await fc.assert(
          fc.asyncProperty(fc.integer({ min: 4, max: whole.length - 1 }), async (length) => {
            folder.write('z.zip', whole.subarray(0, length));
            await refuses(/z\.zip/);
          }),
          { seed: 2, numRuns: 40 },
        );
      });
    });
  });
});
