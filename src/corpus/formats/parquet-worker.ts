import assert from 'node:assert';
import { parentPort } from 'node:worker_threads';
import { parquetMetadataAsync, parquetReadObjects, type AsyncBuffer, type FileMetaData } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { messageOf } from '../../errors.ts';

/** A piece of a file. */
export interface FilePiece {
  readonly fileBytes: number;
  readonly start: number;
  readonly bytes: Uint8Array;
}

/** Rows `[from, to)` of the row group in the piece. */
export interface RowsRequest extends FilePiece {
  readonly metadata: FileMetaData;
  readonly from: number;
  readonly to: number;
  readonly columns: string[] | undefined;
}

const bufferOf = ({ fileBytes, start, bytes }: FilePiece): AsyncBuffer => ({
  byteLength: fileBytes,
  slice(from, to = fileBytes) {
    const low = from < 0 ? fileBytes + from : from;
    if (low < start || to > start + bytes.length)
      throw new Error(`bytes ${low} to ${to} outside of what the footer says`);
    return new Uint8Array(bytes.subarray(low - start, to - start)).buffer; // a buffer of its own: hyparquet takes all of it
  },
});

/** Parses the footer. */
const readFooter = (piece: FilePiece): Promise<FileMetaData> =>
  parquetMetadataAsync(bufferOf(piece), { initialFetchSize: piece.bytes.length });

/** Decodes rows. */
const readRows = ({ metadata, from, to, columns, ...piece }: RowsRequest): Promise<Record<string, unknown>[]> =>
  parquetReadObjects({
    file: bufferOf(piece),
    metadata,
    compressors,
    rowStart: from,
    rowEnd: to,
    ...(columns && { columns }),
  });

/** What a thread is asked, and what it answers. */
export interface Job {
  readonly name: 'readFooter' | 'readRows';
  readonly request: FilePiece | RowsRequest;
}
export type Answer = { readonly hasStarted: true } | { readonly result: unknown } | { readonly error: string };

async function answer({ name, request }: Job): Promise<Answer> {
  try {
    if (name === 'readFooter') return { result: await readFooter(request) };
    assert('metadata' in request, 'rows are asked for with the metadata');
    return { result: await readRows(request) };
  } catch (error) {
    return { error: messageOf(error) };
  }
}

parentPort?.on('message', (job: Job) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has none
  void answer(job).then((reply) => parentPort!.postMessage(reply));
});
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- as above
parentPort?.postMessage({ hasStarted: true } satisfies Answer);
