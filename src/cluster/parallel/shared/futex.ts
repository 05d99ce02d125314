import koffi from 'koffi';

/*
 * What Node lacks to share memory between processes: `mmap`, and the kernel's futex, by which one process sleeps until
 * another has changed a word of that memory. Linux only: the futex has no portable name.
 */

/** An address in this process' memory. Zero is null. */
type Pointer = bigint;

interface System {
  readonly mmap: (
    address: null,
    bytes: number,
    protection: number,
    flags: number,
    fd: number,
    offset: number,
  ) => Pointer;
  readonly munmap: (address: Pointer, bytes: number) => number;
  readonly futex: (
    number: number,
    word: Pointer,
    operation: number,
    value: number,
    timeout: BigInt64Array | null,
    second: null,
    third: number,
  ) => number;
}

/** The number of the system call `futex`, by processor (asm/unistd.h). */
const futexNumbers: Partial<Record<NodeJS.Architecture, number>> = { x64: 202, arm64: 98 };

/** Whether processes of this machine can share memory here. */
export const canShareMemory = (): boolean => process.platform === 'linux' && futexNumbers[process.arch] !== undefined;

let system: System | undefined;

function load(): System {
  const libc = koffi.load(null);
  return {
    mmap: libc.func('mmap', 'void *', ['void *', 'size_t', 'int', 'int', 'int', 'int64_t']) as System['mmap'],
    munmap: libc.func('munmap', 'int', ['void *', 'size_t']) as System['munmap'],
    // `syscall` takes any arguments; on the processors above they lie where those of a plain function do.
    futex: libc.func('syscall', 'long', [
      'long',
      'void *',
      'int',
      'uint32_t',
      'void *',
      'void *',
      'uint32_t',
    ]) as System['futex'],
  };
}

const READ_AND_WRITE = 0x1 | 0x2; // PROT_READ | PROT_WRITE
const SHARED = 0x1; // MAP_SHARED
/** `MAP_FAILED`: all bits set. */
const failed = 2n ** 64n - 1n;

/** A stretch of a file as memory that all processes share which map it. */
export interface Mapping {
  readonly address: Pointer;
  readonly bytes: ArrayBuffer;
}

/** Maps a file from its beginning. @returns nothing when the system refuses */
export function mapFile(fd: number, bytes: number): Mapping | undefined {
  system ??= load();
  const address = system.mmap(null, bytes, READ_AND_WRITE, SHARED, fd, 0);
  if (BigInt.asUintN(64, address) === failed) return undefined;
  return { address, bytes: koffi.view(address, bytes) };
}

/** Gives a mapping back; nobody may use its bytes any more. */
export function unmapFile({ address, bytes }: Mapping): void {
  system ??= load();
  system.munmap(address, bytes.byteLength);
}

const WAIT = 0;
const WAKE = 1;
const everybody = 2 ** 31 - 1;
const nanoseconds = 1_000_000n;

/** Sleeps while a word of a mapping has a value, until somebody wakes it, or for so long at most. May return early. */
export function sleepWhile({ address }: Mapping, word: number, value: number, milliseconds: number): void {
  const timeout = BigInt64Array.of(BigInt(Math.floor(milliseconds / 1000)), BigInt(milliseconds % 1000) * nanoseconds);
  const at = address + BigInt(word * Int32Array.BYTES_PER_ELEMENT);
  system!.futex(futexNumbers[process.arch]!, at, WAIT, value, timeout, null, 0);
}

/** Wakes all that sleep on a word. */
export function wake({ address }: Mapping, word: number): void {
  const at = address + BigInt(word * Int32Array.BYTES_PER_ELEMENT);
  system!.futex(futexNumbers[process.arch]!, at, WAKE, everybody, null, null, 0);
}
