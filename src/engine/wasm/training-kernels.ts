import {
  conv2DBackpropFilter,
  conv2DBackpropInput,
  depthwiseBackpropFilter,
  depthwiseBackpropInput,
  maxPoolGrad,
} from './conv-gradients.ts';
import { einsum } from './einsum.ts';
import { fusedBatchNorm } from './batch-norm.ts';
import { batchMatMul, fusedMatMul } from './mat-mul.ts';
import { mean, sum } from './reductions.ts';
import { unsortedSegmentSum } from './segment-sum.ts';
import type { Kernel } from '../replace-kernels.ts';

/** What training needs and the WASM backend lacks, or does slowly. */
export const trainingKernels: readonly Kernel[] = [
  batchMatMul,
  fusedMatMul,
  unsortedSegmentSum,
  conv2DBackpropFilter,
  conv2DBackpropInput,
  depthwiseBackpropFilter,
  depthwiseBackpropInput,
  maxPoolGrad,
  einsum,
  fusedBatchNorm,
  sum,
  mean,
];
