import { parentPort, workerData } from 'node:worker_threads';
import { isTaustreamError, messageOf, type ErrorFacts } from '../../errors.ts';
import { abortCluster } from '../../engine/tensorflow/binding/cluster.ts';
import type { AbortHandle } from '../../engine/tensorflow/cluster.ts';
import { lostError, Mesh, type MeshOptions } from './mesh.ts';
import type { Way } from './messages.ts';
import type { SharedFileName } from './shared/shared-file.ts';

/*
 * The thread that keeps the connections to the other trainers. A step computes on the main thread, which hears nothing
 * meanwhile: so another one tells that this trainer is alive, notices who is not, and ends the step that waits for it.
 */

/** What the main thread asks. */
export type Request =
  | { readonly kind: 'found'; readonly isShared: boolean }
  | { readonly kind: 'ready'; readonly ending: Ending }
  | { readonly kind: 'leave'; readonly reason?: string };

/** How to end a sum that waits: TensorFlow's, or one in shared memory, by a word that is set. */
export type Ending = { readonly abort: AbortHandle } | { readonly ended: Int32Array };

/** What it is told. */
export type News =
  | { readonly kind: 'joined'; readonly memory: SharedFileName | undefined }
  | { readonly kind: 'agreed'; readonly way: Way }
  | { readonly kind: 'begun' }
  | { readonly kind: 'failed'; readonly message: string; readonly facts: ErrorFacts }
  | { readonly kind: 'lost'; readonly rank: number; readonly why: string };

const options = workerData as MeshOptions; // what watch.ts starts this thread with
const main = parentPort!;
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
const tell = (news: News) => main.postMessage(news);
const fail = (error: unknown) =>
  tell({
    kind: 'failed',
    message: messageOf(error),
    facts: isTaustreamError(error) ? error.facts : {},
  });

let ending: Ending | undefined;
let isLost = false;
const end = (reason: string) => {
  if (!ending) return;
  if ('abort' in ending) abortCluster(ending.abort, reason);
  else Atomics.store(ending.ended, 0, 1);
};

const mesh = await Mesh.join(options).catch((error: unknown) => {
  fail(error);
  return undefined;
});
if (mesh) {
  mesh.on('lost', (lost) => {
    isLost = true;
    tell({ kind: 'lost', ...lost });
    end(lostError(lost, options.addresses).message);
  });
  main.on('message', (request: Request) => {
    if (request.kind === 'leave') {
      mesh.leave(request.reason);
      return;
    }
    if (request.kind === 'found') {
      mesh.agree(request.isShared).then((way) => tell({ kind: 'agreed', way }), fail);
      return;
    }
    ({ ending } = request);
    if (isLost) end('a trainer was lost before the first step');
    mesh.ready().then(() => tell({ kind: 'begun' }), fail);
  });
  tell({ kind: 'joined', memory: mesh.memory });
}
