/** Milliseconds since some moment. */
export type Clock = () => number;

export const clockNames = ['wall', 'processor'] as const;

/**
 * What time is measured by.
 *
 * - `wall`: the clock on the wall.
 * - `processor`: the time that processors spent on this process, all of its threads together. With one thread on a quiet
 *   machine it is the wall's; on a machine that others use as well it does not count what they took, so that runs can be
 *   compared. Waiting (for a disk, for another process) costs nothing by it.
 * @example
 * const { processor } = clocks;
 * const begun = processor();
 * await fit(model, corpus, { steps: 5, batchSize: 32, seed: 7 });
 * console.log(`${(processor() - begun).toFixed(0)} ms of processor time`);
 */
export const clocks: Readonly<Record<(typeof clockNames)[number], Clock>> = {
  wall: () => performance.now(),
  processor: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
};
