import { setFlagsFromString } from 'node:v8';

/** Percent of the heap's size that are allocated before it is collected. A guess: twice the memory for a fraction of the work. */
const roomy = 100;
let users = 0;

/**
 * Has V8 collect its old space less often while a trainer receives minibatches.
 *
 * V8 chooses how far the heap may grow by how fast the old space is filled. Buffers that come from a socket lie outside of
 * it: they count as growth, but not as speed, so V8 takes the program for a slow one and marks the whole heap after every
 * 10 % of its size, a dozen minibatches of images. That was most of what a step cost more than one without a fleet.
 *
 * @returns puts V8's own choice back; the last user's does
 */
export function letHeapGrow(): () => void {
  users += 1;
  if (users === 1) setFlagsFromString(`--heap-growing-percent=${roomy}`);
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    users -= 1;
    if (users === 0) setFlagsFromString('--heap-growing-percent=0');
  };
}
