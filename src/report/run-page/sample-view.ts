import { crc32, deflateSync } from 'node:zlib';
import type { DrawnSample } from '../draw-counts.ts';
import { escape } from '../html-page.ts';

/** Shows a sample as people would: a picture, a text, or numbers. @returns HTML */
export function sampleView({ columns }: DrawnSample, characters?: readonly string[]): string {
  const parts = Object.entries(columns).map(([name, { shape, values }]) => {
    if (isPicture(shape)) return `<img alt="${escape(name)}" src="${picture(shape, values)}">`;
    if (characters && shape.length === 1 && values.every((id) => Number.isInteger(id) && characters[id] !== undefined))
      return name === 'y' ? '' : `<code>${escape(values.map((id) => characters[id]).join(''))}</code>`;
    const some = values.slice(0, 12).join(', ');
    return `<span>${escape(name)} ${some}${values.length > 12 ? `, … (${values.length})` : ''}</span>`;
  });
  return parts.filter(Boolean).join(' ');
}

const isPicture = (shape: readonly number[]): boolean =>
  shape.length === 3 && shape[0]! > 1 && shape[1]! > 1 && [1, 3, 4].includes(shape[2]!);

/** A PNG in a data address: grey or colour, stretched from the smallest value to the largest unless they are bytes. */
function picture([height = 0, width = 0, depth = 0]: readonly number[], values: readonly number[]): string {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const isBytes = low >= 0 && high > 1 && high <= 255;
  const [from, range] = isBytes ? [0, 255] : [low, high - low || 1];
  const rows = Buffer.alloc(height * (1 + width * depth));
  for (let y = 0; y < height; y++)
    for (let i = 0; i < width * depth; i++)
      rows[y * (1 + width * depth) + 1 + i] = Math.round((255 * (values[y * width * depth + i]! - from)) / range);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, { 1: 0, 3: 2, 4: 6 }[depth] ?? 0], 8);
  const signature = Buffer.from('89504e470d0a1a0a', 'hex');
  const chunks = [chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))];
  return `data:image/png;base64,${Buffer.concat([signature, ...chunks]).toString('base64')}`;
}

/** A PNG's chunk: length, type, data, checksum of type and data. */
function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}
