/**
 * What a promise gives, unless the signal aborts first; then whatever it gives is nobody's.
 *
 * `Promise.race` with a promise that outlives the other would do the same but for memory: it keeps every result until the
 * longest of its promises settles, and in a run that is its end.
 *
 * @throws {unknown} the signal's reason, or what the promise rejects with
 */
export function unlessAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    const settled = () => signal.removeEventListener('abort', abort);
    void work.then(resolve, reject).then(settled);
  });
}
