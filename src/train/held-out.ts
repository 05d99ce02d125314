import { modelScorer } from '../importance/model-scorer.ts';
import { loss } from '../importance/loss.ts';
import type { HeldOut } from '../importance/scheme.ts';
import type { Head } from '../model/head.ts';
import { inOrder, type LengthOptions } from '../presample/lengths.ts';
import { presample } from '../presample/presample.ts';
import { shutGate } from '../resample/tau-gate.ts';
import { isHeldOut, only } from '../stream/held-out.ts';
import type { Presample } from '../stream/presample.ts';
import type { Corpus } from '../stream/sample.ts';

export interface HoldOutOptions {
  readonly seed: number;
  readonly share: number;
  /** How many are measured on. */
  readonly samples: number;
  readonly lengths?: LengthOptions | undefined;
}

/**
 * Holds a share of a corpus out of training, and measures a model's loss on the first `samples` of it, which are read
 * once and kept.
 */
export function holdOut(head: Head, corpus: Corpus, options: HoldOutOptions): HeldOut {
  const { seed, share, samples, lengths } = options;
  const has = (id: string) => isHeldOut(seed, id, share);
  const scorer = modelScorer(head, { scheme: loss, schema: corpus.schema, scoreBatchSize: 256 });
  let kept: Presample | undefined;
  return {
    has,
    async loss() {
      kept ??= await first(only(corpus, has), samples, inOrder(lengths));
      if (!kept) return Number.NaN; // nobody is held out, so nothing can be said
      const losses = await scorer.score(kept);
      return losses.reduce((sum, value) => sum + value, 0) / losses.length;
    },
    dispose: () => kept?.dispose(),
  };
}

async function first(
  corpus: Corpus,
  samples: number,
  lengths: LengthOptions | undefined,
): Promise<Presample | undefined> {
  const sizes = { presampleSize: samples, batchSize: samples, lengths };
  const fill = presample({ schema: corpus.schema, gate: shutGate(), ...sizes });
  for await (const buffer of fill(corpus.samples({ seed: 0, epochs: 1 }))) return buffer;
  return undefined;
}
