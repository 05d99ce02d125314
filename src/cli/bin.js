#!/usr/bin/env node
// Starts the command line, from source in a clone and from `dist` as an installed package. Plain JavaScript, because it
// runs before anything that reads TypeScript; tsx is registered in both, because pipeline files are TypeScript.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const fromSource = existsSync(new URL('main.ts', import.meta.url));
// In a clone, the `paths` of its tsconfig make `import ... from 'taustream'` mean the source.
if (fromSource) process.env.TSX_TSCONFIG_PATH ??= fileURLToPath(new URL('../../tsconfig.json', import.meta.url));
await import('tsx');
const { main } = await import(fromSource ? './main.ts' : '../../dist/cli/main.js');
const code = await main(process.argv.slice(2));
// Ends even if a pipeline file left a timer or worker behind, but not before everything is written.
process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
