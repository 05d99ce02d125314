import * as tf from '@tensorflow/tfjs';
import { writeFileSync, readFileSync, existsSync } from 'node:fs';
import StreamZip from 'node-stream-zip';
import sharp from 'sharp';
import { useEngine } from '/work/wt-finetune/src/engine/use-engine.ts';
import { pretrained } from '/work/wt-finetune/src/model/pretrained/pretrained.ts';
import { outputOf, applyTo } from '/work/wt-finetune/src/model/pretrained/cut-model.ts';
import { compile } from '/work/wt-finetune/src/engine/compile.ts';
import { augmentPixels, augmentRng, AugmentOptions } from '/work/wt-finetune/src/corpus/augment/augment.ts';
await useEngine('tensorflow');
const net = await pretrained('efficientnet-lite0');
const depths = ['block_4','block_7','block_9','block_10','block_11','block_12','block_13','block_14','block_15','top'];
const made = new Map<number, any>();
function forwardOf(size: number) {
  if (made.has(size)) return made.get(size);
  const input = tf.input({ shape: [size, size, 3] });
  let model = net;
  const multi = tf.model({ inputs: net.inputs, outputs: depths.map((d) => outputOf(net, d)) });
  const outs = size === 224 ? multi.outputs : applyTo(multi, input);
  model = size === 224 ? multi : tf.model({ inputs: input, outputs: outs });
  const f = compile((x: tf.Tensor) => { const maps = model.apply(x, { training: false }) as tf.Tensor[];
    return tf.concat(maps.flatMap((m) => [tf.mean(m, [1,2]), tf.max(m,[1,2])]), 1); });
  made.set(size, f); return f;
}
const dims = depths.map((d) => outputOf(net, d).shape.at(-1));
const files: { part: string; path: string; bytes: Buffer }[] = [];
for (const part of ['train','test']) {
  const zip = new StreamZip.async({ file: `/work/wt-finetune/corpora/tuxpaint-six/data/${part}.zip` });
  for (const e of Object.values(await zip.entries())) if (e.isFile) files.push({ part, path: e.name, bytes: await zip.entryData(e) });
  await zip.close();
}
files.sort((a,b)=> a.part===b.part ? (a.path<b.path?-1:1) : (a.part==='train'?-1:1));
writeFileSync('/tmp/ft/files.json', JSON.stringify({ depths, dims, files: files.map(({part,path})=>({part,path})) }));
type V = { size: number; fit: any; bg: string; flip?: boolean; aug?: number; trim?: boolean; zoom?: number };
const variants: Record<string, V> = {
  base: { size:224, fit:'contain', bg:'#ffffff' },
  flip: { size:224, fit:'contain', bg:'#ffffff', flip:true },
  gray: { size:224, fit:'contain', bg:'#7f7f7f' },
  black: { size:224, fit:'contain', bg:'#000000' },
  s256: { size:256, fit:'contain', bg:'#ffffff' },
  s288: { size:288, fit:'contain', bg:'#ffffff' },
  s192: { size:192, fit:'contain', bg:'#ffffff' },
  s160: { size:160, fit:'contain', bg:'#ffffff' },
  s352: { size:352, fit:'contain', bg:'#ffffff' },
  fill: { size:224, fit:'fill', bg:'#ffffff' },
  cover: { size:224, fit:'cover', bg:'#ffffff' },
  aug1: { size:224, fit:'contain', bg:'#ffffff', aug:1 },
  aug2: { size:224, fit:'contain', bg:'#ffffff', aug:2 },
  aug3: { size:224, fit:'contain', bg:'#ffffff', aug:3 },
  aug4: { size:224, fit:'contain', bg:'#ffffff', aug:4 },
  aug5: { size:224, fit:'contain', bg:'#ffffff', aug:5 },
};
const only = process.argv[2]?.split(',') ?? Object.keys(variants);
for (const name of only) {
  if (existsSync(`/tmp/ft/${name}.f32`)) continue;
  const v = variants[name]!; const t = process.cpuUsage();
  const out: Float32Array[] = [];
  for (let i = 0; i < files.length; i += 16) {
    const batch = files.slice(i, i+16);
    const px = await Promise.all(batch.map(async ({ bytes, path }) => {
      let im = sharp(bytes).rotate().resize(v.size, v.size, { fit: v.fit, background: v.bg, kernel: 'lanczos3' }).flatten({ background: v.bg }).toColourspace('srgb').removeAlpha();
      if (v.flip) im = im.flop();
      let data = new Uint8Array(await im.raw().toBuffer());
      if (v.aug) data = augmentPixels(data, [v.size,v.size,3], AugmentOptions.parse({ flip:0.5, resizedCrop:{scale:[0.7,1]}, jitter:{brightness:.2,contrast:.2,saturation:.2}, fill:255 }), augmentRng({ seed: 1, epoch: v.aug }, path));
      return data;
    }));
    const n = batch.length; const size = v.size*v.size*3; const st = new Float32Array(n*size);
    px.forEach((p, k) => { if (p.length !== size) throw new Error(`${batch[k]!.path} ${p.length}`); st.set(p, k*size); });
    const r = tf.tidy(() => forwardOf(v.size)(tf.tensor4d(st, [n, v.size, v.size, 3]))) as tf.Tensor;
    out.push(await r.data() as Float32Array); r.dispose();
  }
  const total = out.reduce((s,o)=>s+o.length,0); const all = new Float32Array(total); let at=0; for (const o of out) { all.set(o, at); at+=o.length; }
  writeFileSync(`/tmp/ft/${name}.f32`, Buffer.from(all.buffer));
  const u = process.cpuUsage(t); console.log(name, total/files.length, ((u.user+u.system)/1e6).toFixed(1)+' s cpu');
}
