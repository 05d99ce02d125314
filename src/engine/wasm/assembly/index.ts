export { depthwiseBackward, movePatches } from './conv';
export { gemm, gemmScratchBytes, packedRightBytes } from './gemm';
export { gruBackward, gruForward } from './gru';
export { lstmBackward, lstmForward } from './lstm';
export { maxPoolBackward } from './pool';
export { columnSums, fillRows, previousStates, scaleRows, segmentSum } from './rows';
