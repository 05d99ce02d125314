import { statfs } from 'node:fs/promises';
import { z } from 'zod';
import { packageClient, type PackageClient } from './package-client.ts';
import { defaultVersion, type Target } from './wheel-source.ts';

/** How far an installation is. `bytes` of `total` where the stage counts them. */
export interface InstallProgress {
  readonly stage: 'waiting' | 'downloading' | 'unpacking' | 'done';
  readonly what: string;
  readonly bytes?: number;
  readonly total?: number;
}

export const InstallOptions = z.strictObject({
  /** Installs the CUDA build and NVIDIA's libraries. @default false */
  cuda: z.boolean().default(false),
  /** A wheel file that is here already: nothing is downloaded for it. */
  wheel: z.string().min(1).optional(),
  /** TensorFlow's version. @default 2.21.0 – the one that the tests run on */
  version: z
    .string()
    .regex(/^\d+\.\d+\.\d+\S*$/u)
    .default(defaultVersion),
  /** Where engines live. @default see `cacheFolder` */
  cacheDir: z.string().min(1).optional(),
  onProgress: z.custom<(progress: InstallProgress) => void>((value) => typeof value === 'function').optional(),
  signal: z.instanceof(AbortSignal).optional(),
});
export type InstallOptions = z.input<typeof InstallOptions>;
/** Options once they are checked. */
export type CheckedInstallOptions = z.output<typeof InstallOptions>;

/** Where an installation meets the world; tests replace it. */
export interface InstallWorld {
  readonly target: Target;
  readonly client: (signal?: AbortSignal) => Promise<PackageClient>;
  readonly freeBytes: (folder: string) => Promise<number>;
}

export const thisWorld: InstallWorld = {
  target: { platform: process.platform, arch: process.arch },
  client: packageClient,
  freeBytes: async (folder) => {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  },
};
