import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import koffi, { type LibraryHandle } from 'koffi';
import { EngineError, messageOf } from '../../../errors.ts';
import { koffiNames, signatures, type Address, type Functions, type Pointer } from './signatures.ts';

/** Where TensorFlow's two libraries lie, and what must be loaded before them (NVIDIA's libraries, in order). */
export interface LibraryFiles {
  readonly framework: string;
  readonly main: string;
  readonly before?: readonly string[];
}

/** TensorFlow's C API, and the few C functions of the system that the binding needs. */
export interface Library {
  readonly c: Functions;
  readonly version: string;
  /** Copies `bytes` between memory of ours and TensorFlow's, either way. */
  readonly copy: (target: Address, source: Address, bytes: number) => void;
  /** Calls a function in a thread of Node's own, while the event loop turns. */
  readonly inThread: <Name extends keyof Functions>(
    name: Name,
    ...args: Parameters<Functions[Name]>
  ) => Promise<ReturnType<Functions[Name]>>;
}

let loaded: { readonly files: LibraryFiles; readonly library: Library } | undefined;

/**
 * Loads TensorFlow's libraries by absolute path. A process holds one TensorFlow: a second call gives the same library.
 *
 * @throws {EngineError} when a library cannot be loaded, lacks a function, or when another TensorFlow is loaded already
 */
export function loadLibrary(files: LibraryFiles): Library {
  if (loaded) {
    if (loaded.files.main === files.main) return loaded.library;
    throw new EngineError(
      `loadLibrary(): this process uses ${loaded.files.main} already, and ${files.main} cannot be loaded beside it. Use another process.`,
      { loaded: loaded.files.main, asked: files.main },
    );
  }
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
  // TensorFlow leaves oneDNN off on processors without AVX-512 VNNI, where a CNN's step takes a quarter longer without it
  if (process.arch === 'x64') process.env['TF_ENABLE_ONEDNN_OPTS'] ??= '1';
  for (const file of files.before ?? []) open(file);
  const framework = silently(() => open(files.framework));
  quieten(framework);
  const main = open(files.main);
  const library = bind(main);
  loaded = { files, library };
  return library;
}

function open(file: string): LibraryHandle {
  keepLoaded(file);
  try {
    return koffi.load(file, { global: true, lazy: true });
  } catch (error) {
    throw new EngineError(
      `loadLibrary(): ${file} cannot be loaded: ${messageOf(error)}. Run \`npx taustream doctor\`.`,
      { file },
      { cause: error },
    );
  }
}

const dlopenFlags: Partial<Record<NodeJS.Platform, number>> = {
  linux: 0x1 | 0x100 | 0x1000, // RTLD_LAZY | RTLD_GLOBAL | RTLD_NODELETE
  darwin: 0x1 | 0x8 | 0x80,
};

/** Pins a library: at exit koffi unloads what it loaded, and TensorFlow's threads crash when their code goes away. */
function keepLoaded(file: string): void {
  const flags = dlopenFlags[process.platform];
  if (flags !== undefined) koffi.load(null).func('dlopen', 'void *', ['const char *', 'int'])(file, flags);
}

const quiet = () => Number(process.env['TF_CPP_MIN_LOG_LEVEL']) > 0;

/**
 * Runs `load` with standard error closed to native code: TensorFlow logs a line about oneDNN while its static objects are
 * made, before it looks at TF_CPP_MIN_LOG_LEVEL. What fails to load is told through the return value, not there.
 */
function silently<T>(load: () => T): T {
  if (!quiet() || process.platform === 'win32') return load();
  const libc = koffi.load(null);
  const dup2 = libc.func('dup2', 'int', ['int', 'int']);
  const kept = Number(libc.func('dup', 'int', ['int'])(2));
  const nowhere = openSync(devNull, 'w');
  dup2(nowhere, 2);
  try {
    return load();
  } finally {
    dup2(kept, 2);
    closeSync(kept);
    closeSync(nowhere);
  }
}

/**
 * Gives memory that was freed back to the system, where the C library can (glibc): after something large was compiled,
 * which leaves much of it in pools that later work doesn't find.
 *
 * @returns whether it can
 */
export function returnFreeMemory(): boolean {
  if (process.platform !== 'linux') return false;
  try {
    trim ??= koffi.load(null).func('malloc_trim', 'int', ['size_t']);
  } catch {
    return false; // musl has no such function
  }
  trim(0);
  return true;
}
let trim: ((keptBytes: number) => unknown) | undefined;

/** Passes the level on to Abseil, which writes TensorFlow's log. */
function quieten(framework: LibraryHandle): void {
  if (!quiet()) return;
  try {
    const level = Number(process.env['TF_CPP_MIN_LOG_LEVEL']);
    framework.func('_ZN4absl12lts_2025081414SetMinLogLevelENS0_18LogSeverityAtLeastE', 'void', ['int'])(level);
  } catch {
    // another version of Abseil, whose name is another: a few lines of log are harmless
  }
}

function bind(main: LibraryHandle): Library {
  koffi.struct('TF_Output', { oper: 'void *', index: 'int' });
  const functions: Record<string, unknown> = {};
  for (const [name, [result, ...args]] of Object.entries(signatures)) {
    try {
      functions[name] = main.func(
        name,
        koffiNames[result],
        args.map((arg) => koffiNames[arg]),
      );
    } catch (error) {
      throw new EngineError(
        `loadLibrary(): this TensorFlow has no function ${name}: it is of a version that the engine does not know. Run \`npx taustream engine install\`.`,
        { function: name },
        { cause: error },
      );
    }
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- filled above with exactly the names and types of `signatures`
  const c = functions as Functions;
  const memcpy = koffi.load(null).func('memcpy', 'void', ['void *', 'void *', 'size_t']);
  return {
    c,
    version: c.TF_Version(),
    copy: (target, source, bytes) => {
      memcpy(target, source, bytes);
    },
    inThread: (name, ...args) =>
      new Promise((resolve, reject) =>
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each function was made by koffi
        (c[name] as unknown as ReturnType<LibraryHandle['func']>).async(...args, (error: unknown, result: never) =>
          error ? reject(error) : resolve(result),
        ),
      ),
  };
}

/** Reads `length` bytes of TensorFlow's memory into memory of ours. */
export function bytesAt(library: Library, address: Pointer, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  if (length > 0) library.copy(bytes, address, length);
  return bytes;
}
