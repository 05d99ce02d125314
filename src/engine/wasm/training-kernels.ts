import { batchMatMul, fusedMatMul } from './mat-mul.ts';
import { unsortedSegmentSum } from './segment-sum.ts';
import type { WasmKernel } from './wasm-kernel.ts';

/** What training needs and the WASM backend lacks, or does slowly. */
export const trainingKernels: readonly WasmKernel[] = [batchMatMul, fusedMatMul, unsortedSegmentSum];
