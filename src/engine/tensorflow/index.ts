export { loadTensorflow, type TensorflowEngine, type TensorflowOptions } from './tensorflow-engine.ts';
export { diagnose, type Check } from './diagnose.ts';
export { cacheFolder } from './install/cache-folder.ts';
export { installEngine } from './install/install-engine.ts';
export type { InstallOptions, InstallProgress } from './install/install-options.ts';
export { findInstallations, isInstalled, removeEngine, type Installation } from './install/installation.ts';
export { nodeFunctions, type NodeFunctions } from './node-functions.ts';
export { sparseSoftmaxCrossEntropy } from './kernels/cross-entropy.ts';
