import { CorpusError, isTaustreamError } from '../errors.ts';
import type { Corpus } from '../stream/sample.ts';
import { idIn, type BadSample } from './bad-samples.ts';
import { ShardReader } from './shard-reader.ts';
import type { OpenedCorpus } from './open-corpus.ts';

/** What a check of a whole corpus found. */
export interface Verification {
  /** Samples that were read and found good. */
  readonly samples: number;
  /** Shards and samples that were not, with the reason. */
  readonly bad: readonly BadSample[];
}

/**
 * Reads all of a corpus: every checksum, every sample, every label.
 *
 * @param folder of record shards
 * @example
 * const { samples, bad } = await verifyCorpus(await corpus('digits'), 'digits');
 */
export async function verifyCorpus(opened: OpenedCorpus, folder: string, signal?: AbortSignal): Promise<Verification> {
  const bad: BadSample[] = 'manifest' in opened ? await badShards(opened, folder, signal) : [];
  if (bad.length > 0) return { samples: 0, bad };
  const samples = await countSamples(opened, bad, signal);
  if ('badSamples' in opened && opened.badSamples) bad.push(...opened.badSamples.samples);
  return { samples, bad };
}

async function badShards(
  opened: Extract<OpenedCorpus, { manifest: unknown }>,
  folder: string,
  signal?: AbortSignal,
): Promise<BadSample[]> {
  const bad: BadSample[] = [];
  for (const entry of opened.manifest.shards) {
    try {
      const reader = await ShardReader.open(folder, entry, 'whole', signal);
      await reader.close();
    } catch (error) {
      if (!isTaustreamError(error)) throw error;
      bad.push({ id: entry.file, reason: error.message });
    }
  }
  return bad;
}

async function countSamples(corpus: Corpus, bad: BadSample[], signal?: AbortSignal): Promise<number> {
  let samples = 0;
  try {
    for await (const sample of corpus.samples({ seed: 0, epochs: 1, shuffle: false, ...(signal && { signal }) })) {
      if (sample.id === '') throw new CorpusError(`Sample ${samples}: expected an id, got none.`);
      samples += 1;
    }
  } catch (error) {
    if (!isTaustreamError(error)) throw error;
    bad.push({ id: idIn(error.facts), reason: error.message });
  }
  return samples;
}
