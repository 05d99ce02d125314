import type { OpenedCorpus } from '../corpus/open-corpus.ts';
import type { Sample } from '../stream/sample.ts';
import { shapeText } from '../stream/steps.ts';

/** What can be said of a corpus without reading its samples. */
export function describeCorpus(opened: OpenedCorpus): Record<string, unknown> {
  const shards = 'manifest' in opened ? opened.manifest.shards : opened.shards;
  return {
    name: opened.name,
    format: 'manifest' in opened ? 'records' : 'format' in opened ? opened.format : 'text',
    samples: opened.length,
    shards: shards.length,
    bytes: shards.reduce((sum, { bytes }) => sum + bytes, 0),
    columns: Object.fromEntries(
      Object.entries(opened.schema).map(([name, spec]) => [name, `${spec.type} [${shapeText(spec)}]`]),
    ),
    classes: opened.classes ?? {},
    ...('classNames' in opened && Object.keys(opened.classNames).length > 0 && { names: opened.classNames }),
  };
}

/** Values of a column that are shown. */
const SHOWN = 8;

/** A sample on one line. */
export function describeSample({ id, ...columns }: Sample): string {
  const shown = Object.entries(columns).map(([name, value]) => {
    if (typeof value !== 'object') return `${name}=${value}`;
    const first = Array.from(value as ArrayLike<number>).slice(0, SHOWN);
    return `${name}=[${first.map((number) => +number.toPrecision(4)).join(' ')}${value.length > SHOWN ? ` … ${value.length}` : ''}]`;
  });
  return [id, ...shown].join('  ');
}
