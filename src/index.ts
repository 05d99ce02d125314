export * as placeholder from './errors.ts';
