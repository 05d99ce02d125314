import { crc32 } from 'node:zlib';

/** The CRC-32 of zip and gzip. */
export const crc32Of = (bytes: Uint8Array): number => crc32(bytes);
