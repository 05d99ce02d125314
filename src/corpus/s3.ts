import { AwsClient } from 'aws4fetch';
import { FetchError } from '../errors.ts';
import { answered, retried, type RetryOptions } from './retry.ts';

/** Any S3-compatible store. Without keys, requests are not signed: for public buckets. */
export interface S3Options {
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: string | undefined;
  readonly sessionToken?: string | undefined;
  readonly region?: string | undefined;
  /** Such as `http://localhost:9000`: buckets are the first piece of the path there. @default Amazon's */
  readonly endpoint?: string | undefined;
}

export const environmentS3 = (): S3Options => ({
  accessKeyId: process.env['AWS_ACCESS_KEY_ID'],
  secretAccessKey: process.env['AWS_SECRET_ACCESS_KEY'],
  sessionToken: process.env['AWS_SESSION_TOKEN'],
  region: process.env['AWS_REGION'] ?? process.env['AWS_DEFAULT_REGION'],
  endpoint: process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL'],
});

/** A request for an object of `s3://bucket/key`, or, with a query, about its bucket. Signed if there are keys. */
export async function s3Request(
  url: string,
  { accessKeyId, secretAccessKey, sessionToken, region = 'us-east-1', endpoint }: S3Options,
  { headers = {}, query }: { readonly headers?: Record<string, string>; readonly query?: URLSearchParams },
): Promise<Request> {
  const { host: bucket, pathname } = new URL(url);
  const base = endpoint ? `${endpoint.replace(/\/$/, '')}/${bucket}` : `https://${bucket}.s3.${region}.amazonaws.com`;
  const whole = query ? `${base}/?${query.toString()}` : `${base}${keyPath(decodeURIComponent(pathname))}`;
  if (!accessKeyId || !secretAccessKey) return new Request(whole, { headers });
  const session = sessionToken ? { sessionToken } : {};
  const client = new AwsClient({ accessKeyId, secretAccessKey, region, service: 's3', ...session });
  return client.sign(whole, { headers });
}

/** A key as the path of a URL, encoded just as it is signed: some stores sign what is sent, others what they make of it. */
export const keyPath = (key: string): string =>
  key
    .split('/')
    .map((piece) =>
      encodeURIComponent(piece).replaceAll(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`),
    )
    .join('/');

/** An object of a listing. */
export interface ListedObject {
  readonly url: string;
  /** Its path below the folder that was listed. */
  readonly name: string;
}

/** Objects of a listing at most: a folder of more is not what was meant. */
const MOST_OBJECTS = 1_000_000;

/**
 * Lists the objects below a folder of an S3-compatible store, by name.
 *
 * @param folder `s3://bucket/prefix/`
 * @param signal ends the asking
 * @returns them without those that stand for folders
 * @throws {FetchError} when the store does not answer with a listing
 */
export async function listS3(
  folder: string,
  s3: S3Options = environmentS3(),
  retry: RetryOptions = { attempts: 5, pauseMs: 250, stallMs: 30_000 },
  signal?: AbortSignal,
): Promise<ListedObject[]> {
  const { host: bucket, pathname } = new URL(folder);
  const prefix = decodeURIComponent(pathname.slice(1));
  const fail = (expected: string, got: string, cause?: unknown) =>
    new FetchError(
      `\`${folder}\`: expected ${expected}, got ${got}. Check the URL, the keys and the network.`,
      { folder },
      { cause },
    );
  const keys: string[] = [];
  let token: string | undefined;
  do {
    const query = new URLSearchParams({ 'list-type': '2', prefix, ...(token && { 'continuation-token': token }) });
    const listing = await retried(
      retry,
      async (alive) => {
        const response = await answered(await s3Request(folder, s3, { query }), alive);
        const text = await response.text();
        if (response.status === 200 && text.includes('<ListBucketResult')) return text;
        throw fail('a listing', `the answer ${response.status}${reasonIn(text)}`);
      },
      fail,
      signal,
    );
    for (const key of element(listing, 'Key')) keys.push(key);
    const isCut = element(listing, 'IsTruncated')[0] === 'true';
    [token] = isCut ? element(listing, 'NextContinuationToken') : [];
    if (isCut && token === undefined) throw fail('a listing that goes on (version 2)', 'the first part of one alone');
    if (keys.length > MOST_OBJECTS) throw fail(`at most ${MOST_OBJECTS} objects`, 'more');
  } while (token !== undefined);
  return keys
    .filter((key) => !key.endsWith('/'))
    .toSorted((a, b) => (a < b ? -1 : 1)) // by code units: the same everywhere, whatever the store's order
    .map((key) => ({
      url: `s3://${bucket}/${keyPath(key)}`,
      name: key.slice(prefix.length),
    }));
}

/** What an S3-compatible store says is wrong, in brackets. */
export const reasonIn = (answer: string): string =>
  element(answer, 'Code')
    .map((code) => ` (${code})`)
    .join('');

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** The texts of an element; listings have no attributes and no elements within these. */
const element = (xml: string, name: string): string[] =>
  [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, text]) =>
    text!.replaceAll(
      /&(?:(amp|lt|gt|quot|apos)|#(\d+)|#x([\da-f]+));/gi,
      (_, named?: string, decimal?: string, hex?: string) =>
        named
          ? entities[named.toLowerCase()]!
          : String.fromCodePoint(decimal ? Number(decimal) : Number.parseInt(hex!, 16)),
    ),
  );
