import colors from 'picocolors';
import type { Host } from '../../src/cli/host.ts';
import { main } from '../../src/cli/main.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import { fit } from '../../src/train/fit.ts';

/** Runs one command line in this process, on the plain JavaScript engine. */
export async function run(args: string[], changes: Partial<Host> = {}) {
  const [out, err]: [string[], string[]] = [[], []];
  const host: Host = {
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
    colors: colors.createColors(false),
    fit,
    useEngine: () => useEngine('cpu'),
    ...changes,
  };
  const code = await main(args, host);
  return { code, stdout: out.join(''), stderr: err.join('') };
}
