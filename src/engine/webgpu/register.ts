import { registerEngine } from '../use-engine.ts';
import { webgpuEngine } from './webgpu-engine.ts';

registerEngine('webgpu', { start: webgpuEngine });
