import type { Binding } from './binding.ts';
import { loadLibrary, type LibraryFiles } from './library.ts';
import { encodeMessage } from './protobuf.ts';
import type { Pointer } from './signatures.ts';

/** The processes that collective operations run over. */
export interface ClusterDefinition {
  /** Where TensorFlow listens in each process, `host:port`, by rank. */
  readonly addresses: readonly string[];
  /** Which of them this process is. */
  readonly rank: number;
}

/** The job that every process belongs to. */
const JOB = 'worker';

/** Writes `ServerDef` (tensorflow/core/protobuf/tensorflow_server.proto). */
export function encodeServerDefinition({ addresses, rank }: ClusterDefinition): Uint8Array {
  const tasks = addresses.map(
    (address, i) =>
      [
        2,
        encodeMessage([
          [1, i],
          [2, address],
        ]),
      ] as const,
  );
  const job = encodeMessage([[1, JOB], ...tasks]);
  const leader = encodeMessage([[1, `/job:${JOB}/replica:0/task:0`]]); // CollectiveConfig: who tells groups and their order
  return encodeMessage([
    [1, encodeMessage([[1, job]])], // cluster
    [2, JOB],
    [3, rank],
    [4, encodeMessage([[16, leader]])], // default_session_config.experimental
    [5, 'grpc'],
  ]);
}

/**
 * Starts TensorFlow's server and joins the other processes. TensorFlow cannot leave again: whoever wants another cluster
 * needs another process.
 *
 * @throws {EngineError} when TensorFlow cannot listen at its address
 */
export function joinCluster({ library, context, status }: Binding, cluster: ClusterDefinition): void {
  const bytes = encodeServerDefinition(cluster);
  library.c.TFE_EnableCollectiveOps(context.pointer, bytes, bytes.length, status.pointer);
  status.check(`joinCluster(): TensorFlow's server at ${cluster.addresses[cluster.rank]}`);
}

/** What another thread of this process needs to end an operation that waits for somebody who is gone. */
export interface AbortHandle {
  readonly context: Pointer;
  readonly files: LibraryFiles;
}

const ABORTED = 10;

/** Ends every collective operation, now and later, with a reason. For another thread than the one that waits in it. */
export function abortCluster({ context, files }: AbortHandle, reason: string): void {
  const { c } = loadLibrary(files);
  const status = c.TF_NewStatus();
  c.TF_SetStatus(status, ABORTED, reason);
  c.TFE_AbortCollectiveOps(context, status);
  c.TF_DeleteStatus(status);
}
