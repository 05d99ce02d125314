/** Numbers as people read them. Every function gives text without line breaks or colours. */

/** 12345 -> `12,345` */
export const whole = (value: number): string => Math.round(value).toLocaleString('en-US');

/** Three or four significant digits, never an exponent for usual sizes: 1.234, 12.34, 0.0123. */
export function significant(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) return value.toExponential(2);
  if (size >= 1000) return whole(value);
  return value.toFixed(size >= 100 ? 1 : size >= 1 ? 3 : 4);
}

/** 0.4567 -> `46 %`; small shares keep a digit. */
export const percent = (share: number): string => `${(100 * share).toFixed(share > 0 && share < 0.0995 ? 1 : 0)} %`;

/** 95 -> `1 min 35 s` */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return 'unknown';
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const rounded = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(rounded / 3600), Math.floor(rounded / 60) % 60, rounded % 60];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${rest} s` : `${rest} s`;
}

/** 123456789 -> `123 MB` */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const step = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, value)) / 3)));
  const scaled = value / 1000 ** step;
  return `${step === 0 || scaled >= 10 ? Math.round(scaled) : scaled.toFixed(1)} ${units[step]}`;
}

/** `bitsPerCharacter` -> `bits per character` */
export const words = (name: string): string =>
  name.replaceAll(/([a-z0-9])([A-Z])/g, (_, before: string, after: string) => `${before} ${after.toLowerCase()}`);

/** Counts by name as shares of their sum: `old 30 %, recent 70 %`. */
export function sharesByName(counts: Readonly<Record<string, number>>): string {
  const sum = Object.values(counts).reduce((total, count) => total + count, 0);
  const names = Object.keys(counts).toSorted((a, b) => counts[b]! - counts[a]!);
  return names.map((name) => `${name} ${percent(counts[name]! / sum)}`).join(', ');
}
