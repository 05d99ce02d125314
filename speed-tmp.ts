import { textCorpus } from './src/corpus/text-corpus.ts';
import { corpus } from './src/corpus/open-corpus.ts';
import { recordCorpus } from './src/corpus/record-corpus.ts';
import { writeRecords } from './src/corpus/write-records.ts';
import { presample } from './src/presample/presample.ts';
import { existsSync, writeFileSync, mkdirSync } from 'node:fs';
const d = '/tmp/speed';
if (!existsSync(d + '/t.txt')) {
  let s = ''; const words = 'the whale sea captain ship of and in a to was his that it he with for as at'.split(' '); let r = 1;
  while (s.length < 20e6) { r = (r * 1103515245 + 12345) % 2147483648; s += words[r % words.length] + ' '; }
  writeFileSync(d + '/t.txt', s);
  mkdirSync(d + '/idx');
  const n = 60000; const img = Buffer.alloc(16 + n * 784, 7); img.set([0, 0, 8, 3]); img.writeUInt32BE(n, 4); img.writeUInt32BE(28, 8); img.writeUInt32BE(28, 12);
  for (let i = 16; i < img.length; i++) img[i] = (i * 7919) & 255;
  const lab = Buffer.alloc(8 + n); lab.set([0, 0, 8, 1]); lab.writeUInt32BE(n, 4); for (let i = 0; i < n; i++) lab[8 + i] = i % 10;
  writeFileSync(d + '/idx/train-images-idx3-ubyte', img); writeFileSync(d + '/idx/train-labels-idx1-ubyte', lab);
  const idx = await corpus(d + '/idx');
  await writeRecords(d + '/rec', idx.samples({ seed: 1, epochs: 1, shuffle: false }), { schema: idx.schema, classes: { y: 10 } });
}
const gate = { isOpen: false, observe() {} } as never;
for (const [name, open] of ([['text', () => textCorpus({ path: d + '/t.txt', window: 64 })], ['bytes', () => textCorpus({ path: d + '/t.txt', window: 64, unit: 'byte' })], ['idx', () => corpus(d + '/idx')], ['rec', () => recordCorpus(d + '/rec')]] as const).filter(([n]) => !process.argv[2] || n === process.argv[2])) {
  const c = await open();
  for (const kind of (['samples', 'presample'] as const).filter((k) => !process.argv[3] || k === process.argv[3])) {
    const rates: number[] = [];
    for (let r = 0; r < Number(process.argv[4] ?? 4); r++) {
      const cpu = process.cpuUsage(); let n = 0;
      if (kind === 'samples') { for await (const s of c.samples({ seed: r, epochs: 2 })) n += s.id.length > 0 ? 1 : 0; }
      else for await (const b of presample({ schema: c.schema, gate, batchSize: 128, presampleSize: 128 })(c.samples({ seed: r, epochs: 2 }))) { n += b.ids.length; b.release(); }
      const u = process.cpuUsage(cpu); rates.push(n / ((u.user + u.system) / 1e6));
    }
    console.log(name, kind, Math.round(rates.sort((a, b) => b - a)[1]!), 'a CPU second');
  }
}
