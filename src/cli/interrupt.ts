const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;

/** Ctrl-C and `kill`, as an AbortSignal. */
export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
  /** 128 and the signal's number once there was one, as shells have it. */
  readonly exitCode: number | undefined;
}

/**
 * Listens for SIGINT and SIGTERM: the first aborts the signal, so that the run can finish its step and save; the second
 * ends the process at once.
 */
export function listenForInterrupt(onFirst: () => void = () => {}): Interrupt {
  const controller = new AbortController();
  let exitCode: number | undefined;
  const listen = (name: NodeJS.Signals) => {
    const code = name === 'SIGTERM' ? exitCodes.SIGTERM : exitCodes.SIGINT;
    if (exitCode !== undefined) process.exit(code);
    exitCode = code;
    onFirst();
    controller.abort();
  };
  const names = ['SIGINT', 'SIGTERM'] as const;
  for (const name of names) process.on(name, listen);
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
    [Symbol.dispose]: () => {
      for (const name of names) process.off(name, listen);
    },
  };
}

/**
 * Does something that Ctrl-C ends.
 * @returns the exit code of the work, or that of the signal
 */
export async function untilInterrupted(
  work: (signal: AbortSignal) => Promise<number>,
  onFirst?: () => void,
): Promise<number> {
  using interrupt = listenForInterrupt(onFirst);
  try {
    return await work(interrupt.signal);
  } catch (error) {
    if (interrupt.exitCode === undefined) throw error;
    return interrupt.exitCode; // what the work threw says that it was stopped
  }
}
