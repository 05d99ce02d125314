import { EngineError } from '../../../errors.ts';

/** The TensorFlow that this engine was tested with. */
export const defaultVersion = '2.21.0';

/** What to ask the package index for, and which files of the wheel are the library. */
export interface WheelSource {
  readonly package: string;
  readonly requirement: string;
  /** pip's platform tags, best first. The Python tag does not matter: no Python is run. */
  readonly platforms: readonly string[];
  readonly framework: string;
  readonly main: string;
}

/** Where an engine is to run. */
export interface Target {
  readonly platform: NodeJS.Platform;
  readonly arch: string;
}

const linux = { framework: 'libtensorflow_framework.so.2', main: 'libtensorflow_cc.so.2' };
const macos = { framework: 'libtensorflow_framework.2.dylib', main: 'libtensorflow_cc.2.dylib' };
const manylinux = (machine: string) =>
  ['2_28', '2_27', '2_24', '2_17', '2014', '2_12', '2_5', '1'].map((glibc) =>
    ['2014', '1'].includes(glibc) ? `manylinux${glibc}_${machine}` : `manylinux_${glibc}_${machine}`,
  );

/**
 * The wheel for a machine: `tensorflow-cpu` on Linux x64; `tensorflow` with CUDA, on Linux arm64 and on Apple silicon.
 *
 * @throws {EngineError} when TensorFlow publishes no wheel with a usable library for the machine
 */
export function wheelSource(target: Target, version = defaultVersion, cuda = false): WheelSource {
  const { platform, arch } = target;
  const name = platform === 'linux' && arch === 'x64' && !cuda ? 'tensorflow-cpu' : 'tensorflow';
  const source = (platforms: readonly string[], files: typeof linux) => ({
    package: name,
    requirement: `${name}==${version}`,
    platforms,
    ...files,
  });
  if (platform === 'linux' && arch === 'x64') return source(manylinux('x86_64'), linux);
  if (platform === 'linux' && arch === 'arm64') return source(manylinux('aarch64'), linux);
  if (platform === 'darwin' && arch === 'arm64' && !cuda) {
    return source(
      ['14_0', '13_0', '12_0'].map((os) => `macosx_${os}_arm64`),
      macos,
    );
  }
  throw new EngineError(
    `installEngine(): expected Linux x64, Linux arm64 or macOS arm64${cuda ? ' (CUDA: Linux)' : ''}, got ${platform} ${arch}. ` +
      'Use the engine `wasm`, which needs no installation.',
    { platform, arch, cuda },
  );
}
