import { access, readFile } from 'node:fs/promises';
import { runCommand } from './package-client.ts';

/** The NVIDIA driver's version, or `undefined` where there is none. */
export async function nvidiaDriverVersion(): Promise<string | undefined> {
  const text = await readFile('/proc/driver/nvidia/version', 'utf8').catch(() => ''); // no driver, or no Linux
  return /Kernel Module(?: for \S+)?\s+([\d.]+)/u.exec(text)?.[1] ?? (await askSmi());
}

async function askSmi(): Promise<string | undefined> {
  const query = ['--query-gpu=driver_version', '--format=csv,noheader'];
  const answer = await runCommand('nvidia-smi', query).catch(() => undefined); // not installed
  return answer?.exitCode === 0 ? answer.output.trim().split('\n')[0]?.trim() : undefined;
}

/** Whether this machine has an NVIDIA driver, and so perhaps a GPU. Looks at files alone: it is asked at every start. */
export async function hasNvidiaDriver(): Promise<boolean> {
  for (const file of ['/proc/driver/nvidia/version', '/dev/nvidiactl', '/dev/dxg']) {
    if (
      await access(file).then(
        () => true,
        () => false,
      )
    )
      return true;
  }
  return false;
}
