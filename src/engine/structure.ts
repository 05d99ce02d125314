import * as tf from '@tensorflow/tfjs';
import { CompileError } from '../errors.ts';
import type { Tensors } from './engine.ts';

/**
 * Lists the tensors of a nested structure, in order.
 *
 * @throws {CompileError} when something else is found in it
 */
export function flatten(structure: Tensors, where: string, path = '', into: tf.Tensor[] = []): tf.Tensor[] {
  if (structure instanceof tf.Tensor) into.push(structure);
  else if (Array.isArray(structure)) structure.forEach((member, i) => flatten(member, where, `${path}[${i}]`, into));
  else if (isRecord(structure)) {
    for (const [name, member] of Object.entries(structure)) flatten(member, where, `${path}.${name}`, into);
  } else {
    throw new CompileError(
      `${where}: expected tensors${path && ` in \`${path}\``}, got ${describe(structure)}. Pass numbers as tensors (\`tf.scalar\`), and give back tensors alone.`,
      { path },
    );
  }
  return into;
}

/** Builds a structure like `template` from `tensors`, in the order of `flatten`. */
export function rebuild<T extends Tensors>(template: T, tensors: readonly tf.Tensor[]): T {
  let next = 0;
  const build = (part: Tensors): Tensors => {
    if (part instanceof tf.Tensor) {
      const tensor = tensors[next++];
      if (!tensor) throw new RangeError(`rebuild(): the structure has more tensors than the ${tensors.length} given.`);
      return tensor;
    }
    if (Array.isArray(part)) return part.map(build);
    return Object.fromEntries(Object.entries(part).map(([name, member]) => [name, build(member)]));
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- built part by part like the template
  return build(template) as T;
}

/**
 * What decides whether a traced function fits: structure, shapes and types; variables by identity, since a step may
 * assign to them.
 */
export function signatureOf(structure: Tensors): string {
  if (structure instanceof tf.Variable) return `v${structure.id}`;
  if (structure instanceof tf.Tensor) return `${structure.dtype}[${structure.shape.join(',')}]`;
  if (Array.isArray(structure)) return `(${structure.map(signatureOf).join(';')})`;
  if (!isRecord(structure)) return typeof structure;
  return `{${Object.entries(structure)
    .map(([name, member]) => `${name}:${signatureOf(member)}`)
    .join(';')}}`;
}

function isRecord(value: unknown): value is Readonly<Record<string, Tensors>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function describe(value: unknown): string {
  if (value instanceof Promise) return 'a promise (steps are synchronous: no `async`, no `await`)';
  if (typeof value === 'object' && value !== null) return `an object of ${value.constructor?.name ?? 'no class'}`;
  return value === undefined ? 'nothing' : `the ${typeof value} ${JSON.stringify(value) ?? ''}`;
}
