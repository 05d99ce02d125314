import { useEngine } from './src/engine/use-engine.ts';
import * as tf from '@tensorflow/tfjs';
await useEngine('webgpu'); tf.env().set('WEBGPU_CPU_FORWARD', false);
const b: any = tf.backend(); const run = b.runWebGPUProgram;
b.runWebGPUProgram = (p: any, i: any, o: any, ...r: any[]) => { if (/trans/i.test(p.shaderKey)) console.log(p.constructor.name, p.shaderKey, i.map((x: any) => x.dtype), o); return run(p, i, o, ...r); };
const m = tf.sequential({ layers: [tf.layers.masking({ inputShape: [5, 3] }), tf.layers.lstm({ units: 4 })] });
const y = m.apply(tf.randomNormal([2, 5, 3])) as tf.Tensor;
console.log(await y.data());
