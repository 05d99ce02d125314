export { resize } from './resize';
