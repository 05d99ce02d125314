import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zipBytes } from '../../../corpus/formats/write-files.ts';

export interface FakeWheel {
  readonly name: string;
  readonly version: string;
  readonly files: Readonly<Record<string, Uint8Array>>;
  readonly requires?: readonly string[];
  /** Files whose listed digest is another than their content's. */
  readonly wrongDigest?: readonly string[];
}

/** The bytes of a wheel, with METADATA and RECORD as pip's wheels have them. */
export function wheelBytes({ name, version, files, requires = [], wrongDigest = [] }: FakeWheel): Buffer {
  const info = `${name}-${version}.dist-info`;
  const metadata = [
    `Metadata-Version: 2.1`,
    `Name: ${name}`,
    `Version: ${version}`,
    ...requires.map((line) => `Requires-Dist: ${line}`),
  ];
  const record = Object.entries(files).map(([path, data]) => {
    const content = wrongDigest.includes(path) ? Buffer.from('other bytes') : data;
    return `${path},sha256=${createHash('sha256').update(content).digest('base64url')},${data.length}`;
  });
  return zipBytes({
    ...files,
    [`${info}/METADATA`]: Buffer.from(`${metadata.join('\n')}\n\nDescription`),
    [`${info}/WHEEL`]: Buffer.from(
      'Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp312-cp312-manylinux_2_27_x86_64\n',
    ),
    [`${info}/RECORD`]: Buffer.from(`${record.join('\n')}\n${info}/RECORD,,\n`),
  });
}

export const fileNameOf = ({ name, version }: FakeWheel) => `${name}-${version}-cp312-cp312-manylinux_2_27_x86_64.whl`;

/** Writes a wheel into `folder` and returns its path. */
export async function writeWheel(folder: string, wheel: FakeWheel): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, fileNameOf(wheel));
  await writeFile(file, wheelBytes(wheel));
  return file;
}

/** A TensorFlow of a few bytes. */
export const tinyTensorflow = (overrides: Partial<FakeWheel> = {}): FakeWheel => ({
  name: 'tensorflow_cpu',
  version: '2.21.0',
  files: {
    'tensorflow/libtensorflow_framework.so.2': Buffer.from('the framework'),
    'tensorflow/libtensorflow_cc.so.2': Buffer.alloc(5000, 'library '),
    'tensorflow/python/never_unpacked.py': Buffer.from('print()'),
  },
  ...overrides,
});
