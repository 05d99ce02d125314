/** Tests of tfjs-core that the engine does not pass. */
export interface CoreTestGap {
  /** Their full names, suite and test. */
  readonly names: RegExp;
  readonly why: string;
  /** Whether a kernel is missing: tests of the arguments, which never reach it, pass all the same. */
  readonly missingKernel?: true;
}

const withoutKernel = (suites: string, why: string): CoreTestGap => ({
  names: new RegExp(`^(?:${suites})\\b`, 'u'),
  why,
  missingKernel: true,
});

/** What is not passed, and why. Everything else has to pass, and each of these has to fail still. */
export const coreTestGaps: readonly CoreTestGap[] = [
  withoutKernel(
    'bitwiseAnd|denseBincount|image\\.transform|maxPoolWithArgmax',
    'tfjs-node has no such kernel, and neither models nor schemes use it',
  ),
  withoutKernel(
    'lowerBound|upperBound|searchSorted|raggedGather|raggedRange|raggedTensorToTensor',
    'tfjs-node has no kernel for searching sorted rows or for ragged tensors; the tests’ models use neither',
  ),
  withoutKernel(
    'sparseFillEmptyRows|sparseReshape|sparseSegmentMean|sparseSegmentSum',
    'tfjs-node has no kernel for sparse tensors',
  ),
  withoutKernel('stringNGrams|stringSplit|stringToHashBucketFast', 'tfjs-node has no kernel that takes texts apart'),
  {
    names: /^(?:avgPool|avgPool3d|maxPool|maxPool3d|maxPoolBackprop|pool)\b.* (?:p=explicit|p=1\b|p=2\b)/u,
    why: 'TensorFlow’s pooling knows the paddings `same` and `valid` alone: a clear error says so',
  },
  {
    names: /^conv2dTranspose .*p=explicit/u,
    why: 'tfjs-node passes the paddings `same` and `valid` alone to a transposed convolution: a clear error says so',
  },
  {
    names: /^avgPool3d x=\[1,1,1,1,1\] f=\[1,1,3\] s=1 p=valid/u,
    why: 'TensorFlow refuses a window larger than the volume, where tfjs gives an empty tensor',
  },
  {
    names: /^conv2dTranspose input=8x8x8,output=4x4x8/u,
    why: 'the sizes contradict each other, which TensorFlow refuses',
  },
  { names: /^fused conv2d .*NCHW/u, why: 'TensorFlow’s fused convolution takes channels last on a CPU' },
  {
    names: /^(?:diag bool|leakyrelu int32|step kernel with int32 tensor)$/u,
    why: 'TensorFlow’s operation has no such type',
  },
  {
    names: /^(?:greater|greaterEqual|less|lessEqual) should support string comparison$/u,
    why: 'TensorFlow orders numbers only',
  },
  {
    names: /^einsum (?:2d matrix calculate trace|nonexistent dimension)/u,
    why: 'TensorFlow computes what the reference refuses',
  },
  {
    names: /^gather throws when (?:batch dims greater|index is out of bound)/u,
    why: 'it throws, in TensorFlow’s words and not in those of tfjs',
  },
  {
    names: /^scatterND should (?:work for 2d|work for simple 1d|work for multiple 1d|sum the dup|work for tensorLike)/u,
    why: 'TensorFlow wants indices of rank 2 and says so, where tfjs takes rank 1',
  },
  { names: /^sign (?:basic|does not propagate NaNs|accepts a tensor-like)/u, why: 'TensorFlow’s sign of NaN is NaN' },
  { names: /^multinomial creates the same data/u, why: 'the seed starts another generator: the numbers are others' },
  { names: /^tan numbers exceed float32 precision$/u, why: 'the last bit of float32 differs from that of JavaScript' },
  { names: /^unique 1d tensor with NaN and Infinity$/u, why: 'TensorFlow counts two NaNs as one' },
];
