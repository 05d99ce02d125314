import { fileURLToPath } from 'node:url';

const engineFolder = fileURLToPath(new URL('./', import.meta.url));
/** Installed packages, and TensorFlow.js as its source maps show it. */
const packages = /[/\\]node_modules[/\\]|[/\\]tfjs(?:-[a-z]+)*[/\\](?:dist|src)[/\\]/u;

/**
 * The place in the user's code that led here: the innermost frame that is neither the engine's, a package's nor Node's,
 * as `file:line:column`; `undefined` when there is none.
 */
export function userPlace(): string | undefined {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 100;
  const { stack = '' } = new Error('where');
  Error.stackTraceLimit = stackTraceLimit;
  return stack
    .split('\n')
    .slice(1)
    .map(placeOf)
    .find((place) => place !== undefined && isUsers(place));
}

function placeOf(line: string): string | undefined {
  const place = /\(?((?:file:\/\/)?[^\s()]+:\d+:\d+)\)?$/u.exec(line)?.[1];
  if (place === undefined || !place.startsWith('file:')) return place;
  const [, url = '', position = ''] = /^(.*?)(:\d+:\d+)$/u.exec(place) ?? [];
  return fileURLToPath(url) + position;
}

const isUsers = (place: string): boolean =>
  !place.startsWith('node:') && !place.startsWith(engineFolder) && !packages.test(place);

/** ` (at file:line:column)`, or nothing. */
export function atUserPlace(): string {
  const place = userPlace();
  return place === undefined ? '' : ` (at ${place})`;
}
