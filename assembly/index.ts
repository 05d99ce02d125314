export { gemm, gemmScratchBytes, packedRightBytes } from './gemm';
export { gruBackward, gruForward } from './gru';
export { lstmBackward, lstmForward } from './lstm';
export { columnSums, fillRows, previousStates, segmentSum } from './rows';
