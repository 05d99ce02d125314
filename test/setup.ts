import type { Runner, Test } from 'mocha';
import fc from 'fast-check';

// Every run of the suite tries the same cases; a failure is the same on every machine.
fc.configureGlobal({ seed: 1803_00942 });

/** Tells of each test that failed and is tried again (`--retries`), and why, so that `.ci/run` can list them. */
export function mochaGlobalSetup(this: Runner): void {
  // oxlint-disable-next-line oxc/no-this-in-exported-function -- mocha hands its runner over as `this`
  this.on('retry', (test: Test, error: Error) => {
    const where = (error.stack ?? error.message).split('\n', 8).map((line) => line.trim());
    console.log(`tried again: ${test.fullTitle()}: ${where.join(' | ')}`);
  });
}
