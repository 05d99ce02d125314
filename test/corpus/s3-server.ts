import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { AwsClient } from 'aws4fetch';
import { keyPath } from '../../src/corpus/s3.ts';

const python = join(
  process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
  'taustream-tests/moto/bin/python', // made by .ci/packages
);

/** Whether there is an S3-compatible server to test against: moto, which checks signatures with Amazon's own library. */
export const hasS3Server = existsSync(python);

/** Starts of a server and of what it imports take a while on a busy machine. */
const START_MS = 50_000;

/** A server of a user's own: nobody gets anything without that user's keys. */
export class S3Server {
  readonly endpoint: string;
  readonly keys: { readonly [Part in 'accessKeyId' | 'secretAccessKey' | 'region' | 'endpoint']: string };
  readonly #process: ChildProcess;

  private constructor(server: ChildProcess, endpoint: string, keys: { accessKeyId: string; secretAccessKey: string }) {
    this.#process = server;
    this.endpoint = endpoint;
    this.keys = { ...keys, region: 'us-east-1', endpoint };
  }

  /** @param pageSize objects in a page of a listing */
  static async start(pageSize: number): Promise<S3Server> {
    const env = { ...process.env, MOTO_S3_DEFAULT_MAX_KEYS: String(pageSize) };
    const server = spawn(python, ['-m', 'moto.server', '-H', '127.0.0.1', '-p', '0'], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    try {
      const endpoint = await addressOf(server);
      return new S3Server(server, endpoint, await makeUser(endpoint));
    } catch (error) {
      server.kill();
      throw error;
    }
  }

  async makeBucket(bucket: string): Promise<void> {
    await this.#put(`/${bucket}`);
  }

  async put(bucket: string, key: string, content: Uint8Array | string): Promise<void> {
    await this.#put(`/${bucket}/${keyPath(key)}`, content);
  }

  stop(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#process.once('exit', () => resolve()));
    this.#process.kill();
    return ended;
  }

  async #put(path: string, body: Uint8Array | string = ''): Promise<void> {
    const { accessKeyId, secretAccessKey, region } = this.keys;
    const client = new AwsClient({ accessKeyId, secretAccessKey, region, service: 's3', retries: 0 });
    const response = await client.fetch(`${this.endpoint}${path}`, { method: 'PUT', body: Buffer.from(body) });
    if (!response.ok) throw new Error(`PUT ${path}: ${response.status} ${await response.text()}`);
  }
}

/** The address that the server says it listens at. */
function addressOf(server: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const said: string[] = [];
    const fail = (why: string) => reject(new Error(`the S3 server ${why}: ${said.join('\n')}`));
    const late = setTimeout(() => fail(`did not start within ${START_MS} ms`), START_MS);
    createInterface({ input: server.stderr! }).on('line', (line) => {
      said.push(line);
      const [, address] = /Running on (http:\/\/\S+)/.exec(line) ?? [];
      if (!address) return;
      clearTimeout(late);
      resolve(address);
    });
    server.once('exit', (code) => fail(`ended with ${code}`));
  });
}

/** Makes a user who may use S3, and has the server check keys and permissions from then on. */
async function makeUser(endpoint: string): Promise<{ accessKeyId: string; secretAccessKey: string }> {
  const client = new AwsClient({ accessKeyId: 'root', secretAccessKey: 'root', region: 'us-east-1', service: 'iam' });
  const ask = async (fields: Readonly<Record<string, string>>) => {
    const body = new URLSearchParams({ Version: '2010-05-08', UserName: 'reader', ...fields }).toString();
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const response = await client.fetch(`${endpoint}/`, { method: 'POST', headers, body });
    const text = await response.text();
    if (!response.ok) throw new Error(`${fields['Action']}: ${response.status} ${text}`);
    return text;
  };
  await ask({ Action: 'CreateUser' });
  const keys = await ask({ Action: 'CreateAccessKey' });
  const Statement = [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }];
  const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement });
  await ask({ Action: 'PutUserPolicy', PolicyName: 'all', PolicyDocument });
  await fetch(`${endpoint}/moto-api/reset-auth`, { method: 'POST', body: '0' }); // requests that need no keys: none
  const part = (name: string) => new RegExp(`<${name}>([^<]+)</${name}>`).exec(keys)![1]!;
  return { accessKeyId: part('AccessKeyId'), secretAccessKey: part('SecretAccessKey') };
}
