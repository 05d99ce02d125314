import { cifar } from './cifar.ts';
import { csv } from './csv.ts';
import type { Format } from './format.ts';
import { idx } from './idx.ts';
import { images } from './images.ts';
import { jsonLines } from './json-lines.ts';
import { parquet } from './parquet.ts';
import { series } from './series.ts';
import { tfRecord } from './tf-record.ts';
import { webDataset } from './web-dataset.ts';

/** Every format, in the order in which they are asked: those that know their first bytes come first. */
export const formats: readonly Format[] = [parquet, images, idx, webDataset, tfRecord, cifar, jsonLines, series, csv];

export const formatNames = [
  'parquet',
  'images',
  'idx',
  'webdataset',
  'tfrecord',
  'cifar',
  'jsonl',
  'series',
  'csv',
] as const;
