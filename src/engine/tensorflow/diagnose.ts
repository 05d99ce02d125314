import { access, constants, mkdir, readFile, statfs } from 'node:fs/promises';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { cacheFolder } from './install/cache-folder.ts';
import { findInstallations, type Installation } from './install/installation.ts';
import { findCorrupt } from './install/manifest.ts';
import { nvidiaDriverVersion } from './install/nvidia-driver.ts';
import { findPackageClient } from './install/package-client.ts';
import { wheelSource, type Target } from './install/wheel-source.ts';

/** One thing that the engine needs, or would like to have. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** What was found. */
  readonly detail: string;
  /** The command or step that mends it; absent when nothing needs mending. */
  readonly remedy?: string;
}

/** What the checks look at; tests replace it. */
export interface Machine extends Target {
  readonly nodeVersion: string;
  readonly glibc: string | undefined;
  readonly cpuFeatures: readonly string[];
  readonly cores: number;
  readonly memoryBytes: number;
  readonly freeMemoryBytes: number;
  readonly freeDiskBytes: number | undefined;
  readonly packageClient: string | undefined;
  readonly driver: string | undefined;
  readonly installations: readonly Installation[];
  readonly cacheDir: string;
}

const GB = 1e9;

/**
 * Examines what the engine `tensorflow` needs on this machine, without loading it: what `taustream doctor` prints.
 *
 * @param cacheDir where engines live
 * @returns checks in the order in which they matter; one that is not `ok` tells the remedy
 *
 * @example
 * for (const { name, ok, detail, remedy } of await diagnose()) console.log(ok ? 'ok' : 'lack', name, detail, remedy ?? '');
 */
export async function diagnose(cacheDir = cacheFolder()): Promise<Check[]> {
  return checkMachine(await lookAtMachine(cacheDir));
}

export async function checkMachine(machine: Machine): Promise<Check[]> {
  const libraries = await checkInstallations(machine);
  return [
    checkNode(machine),
    checkPlatform(machine),
    checkGlibc(machine),
    checkCpu(machine),
    checkMemory(machine),
    ...libraries,
    ...(machine.installations.length === 0 ? [checkPackageClient(machine), checkDisk(machine)] : []),
    ...checkGpu(machine),
  ];
}

const passed = (name: string, detail: string): Check => ({ name, ok: true, detail });
const failed = (name: string, detail: string, remedy: string): Check => ({ name, ok: false, detail, remedy });

function checkNode({ nodeVersion }: Machine): Check {
  const [major = 0, minor = 0] = nodeVersion.split('.').map(Number);
  const enough = major > 20 || (major === 20 && minor >= 19);
  return enough
    ? passed('Node', nodeVersion)
    : failed(
        'Node',
        `${nodeVersion}, expected 20.19 or later`,
        'Install a current Node, for example with `nvm install --lts`.',
      );
}

function checkPlatform(machine: Machine): Check {
  const name = `${machine.platform} ${machine.arch}`;
  try {
    wheelSource(machine);
    return passed('platform', name);
  } catch {
    return failed('platform', `${name}: TensorFlow publishes no library for it`, 'Use the engine `wasm`.');
  }
}

function checkGlibc({ platform, glibc }: Machine): Check {
  if (platform !== 'linux') return passed('C library', 'the system’s');
  if (glibc === undefined) {
    return failed(
      'C library',
      'not glibc (Alpine’s musl?)',
      'Use an image with glibc (Debian, Ubuntu), or the engine `wasm`.',
    );
  }
  const [major = 0, minor = 0] = glibc.split('.').map(Number);
  return major > 2 || minor >= 27
    ? passed('C library', `glibc ${glibc}`)
    : failed('C library', `glibc ${glibc}, expected 2.27 or later`, 'Update the system, or use the engine `wasm`.');
}

function checkCpu({ arch, cpuFeatures, cores }: Machine): Check {
  const vectors = ['avx512f', 'avx2', 'avx'].filter((feature) => cpuFeatures.includes(feature));
  const detail = `${cores} cores${vectors.length > 0 ? `, ${vectors.join(', ')}` : ''}`;
  if (arch !== 'x64' || cpuFeatures.length === 0 || cpuFeatures.includes('avx')) return passed('CPU', detail);
  return failed('CPU', `${detail}: no AVX, which TensorFlow is built for`, 'Use the engine `wasm` on this machine.');
}

function checkMemory({ memoryBytes, freeMemoryBytes }: Machine): Check {
  const detail = `${gigabytes(freeMemoryBytes)} free of ${gigabytes(memoryBytes)}`;
  return freeMemoryBytes >= GB
    ? passed('memory', detail)
    : failed(
        'memory',
        `${detail}, TensorFlow needs about 1 GB to start`,
        'Close other programs, or use the engine `wasm`.',
      );
}

function checkPackageClient({ packageClient }: Machine): Check {
  return packageClient === undefined
    ? failed(
        'pip or uv',
        'neither is on the PATH',
        'Install Python with pip, or uv; or fetch a wheel elsewhere: `npx taustream engine install --wheel FILE`.',
      )
    : passed('pip or uv', packageClient);
}

function checkDisk({ freeDiskBytes, cacheDir }: Machine): Check {
  if (freeDiskBytes === undefined) {
    return failed(
      'disk',
      `${cacheDir} cannot be written`,
      'Check its permissions, or set TAUSTREAM_CACHE to another folder.',
    );
  }
  return freeDiskBytes >= 1.3 * GB
    ? passed('disk', `${gigabytes(freeDiskBytes)} free in ${cacheDir}`)
    : failed(
        'disk',
        `${gigabytes(freeDiskBytes)} free in ${cacheDir}, 1.3 GB are needed`,
        'Free some, or set TAUSTREAM_CACHE.',
      );
}

async function checkInstallations({ installations, cacheDir }: Machine): Promise<Check[]> {
  if (installations.length === 0) {
    return [failed('TensorFlow', `not installed in ${cacheDir}`, 'Run `npx taustream engine install`.')];
  }
  return Promise.all(
    installations.map(async ({ folder, manifest }) => {
      const name = `TensorFlow ${manifest.version} (${manifest.variant})`;
      const corrupt = await findCorrupt(folder, manifest);
      return corrupt === undefined
        ? passed(name, `whole, in ${folder}`)
        : failed(
            name,
            `damaged: ${corrupt}`,
            'Run `npx taustream engine remove`, then `npx taustream engine install`.',
          );
    }),
  );
}

function checkGpu({ driver, installations, platform }: Machine): Check[] {
  const cuda = installations.find(({ manifest }) => manifest.variant === 'cuda');
  if (driver === undefined) {
    if (!cuda) return [passed('GPU', 'no NVIDIA driver: the CPU is used')];
    return [
      failed(
        'GPU',
        'the CUDA build is installed, but there is no NVIDIA driver',
        'Install the driver, or `npx taustream engine install` for the CPU.',
      ),
    ];
  }
  if (platform !== 'linux') return [passed('GPU', `driver ${driver}; CUDA is used on Linux only`)];
  if (!cuda)
    return [
      failed(
        'GPU',
        `driver ${driver}, but the CUDA build is not installed`,
        'Run `npx taustream engine install --cuda`.',
      ),
    ];
  return [checkDriver(driver), checkCudnn(cuda)];
}

function checkDriver(driver: string): Check {
  const major = Number(driver.split('.')[0]);
  return major >= 525
    ? passed('GPU driver', driver)
    : failed('GPU driver', `${driver}, CUDA 12 needs 525.60 or later`, 'Update the NVIDIA driver.');
}

function checkCudnn({ manifest }: Installation): Check {
  const cudnn = manifest.before.find((file) => /libcudnn\.so/u.test(file));
  return cudnn === undefined
    ? failed(
        'cuDNN',
        'not in the installation',
        'Run `npx taustream engine remove`, then `npx taustream engine install --cuda`.',
      )
    : passed('cuDNN', cudnn);
}

const gigabytes = (bytes: number) => `${(bytes / GB).toFixed(1)} GB`;

async function lookAtMachine(cacheDir: string): Promise<Machine> {
  const [client, driver, installations, cpuFeatures, freeDiskBytes] = await Promise.all([
    findPackageClient(),
    nvidiaDriverVersion(),
    findInstallations(cacheDir),
    readCpuFeatures(),
    freeDisk(cacheDir),
  ]);
  return {
    platform: process.platform,
    arch: process.arch,
    nodeVersion: process.versions.node,
    glibc: glibcVersion(),
    cpuFeatures,
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    freeMemoryBytes: freemem(),
    freeDiskBytes,
    packageClient: client?.name,
    driver,
    installations,
    cacheDir,
  };
}

/** Node's report names glibc's version where that is what it runs on. */
function glibcVersion(): string | undefined {
  const report: unknown = process.report.getReport();
  const header = typeof report === 'object' && report !== null && 'header' in report ? report.header : undefined;
  if (typeof header !== 'object' || header === null || !('glibcVersionRuntime' in header)) return undefined;
  return String(header.glibcVersionRuntime);
}

async function readCpuFeatures(): Promise<string[]> {
  const text = await readFile('/proc/cpuinfo', 'utf8').catch(() => ''); // not Linux
  return (/^flags\s*:(.*)$/mu.exec(text)?.[1] ?? '').trim().split(/\s+/u).filter(Boolean);
}

async function freeDisk(cacheDir: string): Promise<number | undefined> {
  try {
    await mkdir(cacheDir, { recursive: true });
    await access(cacheDir, constants.W_OK);
    const { bavail, bsize } = await statfs(cacheDir);
    return bavail * bsize;
  } catch {
    return undefined; // the check says that it cannot be written
  }
}
