/**
 * TensorFlow's C functions that the engine calls, each declared once: result type, then argument types. The TypeScript
 * types of the functions are derived from the same words, so the two cannot disagree.
 */

declare const pointee: unique symbol;
/** An address in TensorFlow's memory. Zero is null. */
export type Pointer = bigint & { readonly [pointee]?: never };
/** What may be passed where C takes a pointer: an address, memory of ours, or null. */
export type Address = Pointer | NodeJS.TypedArray | ArrayBuffer | null;

interface CTypes {
  void: void;
  pointer: Pointer;
  address: Address;
  int: number;
  int64: number | bigint;
  size: number | bigint;
  float: number;
  byte: number;
  text: string;
  output: Output;
  outputs: readonly Output[];
}
type CType = keyof CTypes;

/** One output of a graph's operation (`TF_Output`, passed by value). */
export interface Output {
  readonly oper: Pointer;
  readonly index: number;
}

/** The words above as koffi spells them. */
export const koffiNames: Readonly<Record<CType, string>> = {
  void: 'void',
  pointer: 'void *',
  address: 'void *',
  int: 'int',
  int64: 'int64_t',
  size: 'size_t',
  float: 'float',
  byte: 'uint8_t',
  text: 'const char *',
  output: 'TF_Output',
  outputs: 'const TF_Output *',
};

type Signature = readonly [result: CType, ...args: CType[]];
type Arguments<S extends Signature> = S extends readonly [CType, ...infer Args extends CType[]]
  ? { [I in keyof Args]: CTypes[Args[I]] }
  : never;

/** Every function of `signatures`, callable. */
export type Functions = {
  readonly [Name in keyof typeof signatures]: (
    ...args: Arguments<(typeof signatures)[Name]>
  ) => CTypes[(typeof signatures)[Name][0]];
};

export const signatures = {
  // status, buffers, strings
  TF_Version: ['text'],
  TF_NewStatus: ['pointer'],
  TF_DeleteStatus: ['void', 'pointer'],
  TF_GetCode: ['int', 'pointer'],
  TF_SetStatus: ['void', 'pointer', 'int', 'text'],
  TF_Message: ['text', 'pointer'],
  TF_NewBuffer: ['pointer'],
  TF_DeleteBuffer: ['void', 'pointer'],
  TF_GetAllOpList: ['pointer'],
  TF_StringInit: ['void', 'pointer'],
  TF_StringCopy: ['void', 'pointer', 'address', 'size'],
  TF_StringGetDataPointer: ['pointer', 'pointer'],
  TF_StringGetSize: ['size', 'pointer'],
  TF_StringDealloc: ['void', 'pointer'],

  // context and devices
  TFE_NewContextOptions: ['pointer'],
  TFE_DeleteContextOptions: ['void', 'pointer'],
  TFE_ContextOptionsSetConfig: ['void', 'pointer', 'address', 'size', 'pointer'],
  TFE_ContextOptionsSetDevicePlacementPolicy: ['void', 'pointer', 'int'],
  TFE_NewContext: ['pointer', 'pointer', 'pointer'],
  TFE_DeleteContext: ['void', 'pointer'],
  TFE_ContextClearCaches: ['void', 'pointer'],
  TFE_ContextListDevices: ['pointer', 'pointer', 'pointer'],
  TF_DeviceListCount: ['int', 'pointer'],
  TF_DeviceListName: ['text', 'pointer', 'int', 'pointer'],
  TF_DeviceListType: ['text', 'pointer', 'int', 'pointer'],
  TF_DeviceListMemoryBytes: ['int64', 'pointer', 'int', 'pointer'],
  TF_DeleteDeviceList: ['void', 'pointer'],

  // several processes as one cluster
  TFE_EnableCollectiveOps: ['void', 'pointer', 'address', 'size', 'pointer'],
  TFE_AbortCollectiveOps: ['void', 'pointer', 'pointer'],

  // tensors
  TF_AllocateTensor: ['pointer', 'int', 'address', 'int', 'size'],
  TF_TensorData: ['pointer', 'pointer'],
  TF_TensorByteSize: ['size', 'pointer'],
  TF_TensorType: ['int', 'pointer'],
  TF_NumDims: ['int', 'pointer'],
  TF_Dim: ['int64', 'pointer', 'int'],
  TF_TensorElementCount: ['int64', 'pointer'],
  TF_DeleteTensor: ['void', 'pointer'],
  TFE_NewTensorHandle: ['pointer', 'pointer', 'pointer'],
  TFE_DeleteTensorHandle: ['void', 'pointer'],
  TFE_TensorHandleDataType: ['int', 'pointer'],
  TFE_TensorHandleNumDims: ['int', 'pointer', 'pointer'],
  TFE_TensorHandleDim: ['int64', 'pointer', 'int', 'pointer'],
  TFE_TensorHandleResolve: ['pointer', 'pointer', 'pointer'],
  TFE_TensorHandleCopyToDevice: ['pointer', 'pointer', 'pointer', 'text', 'pointer'],

  // eager operations
  TFE_NewOp: ['pointer', 'pointer', 'text', 'pointer'],
  TFE_DeleteOp: ['void', 'pointer'],
  TFE_OpReset: ['void', 'pointer', 'text', 'text', 'pointer'],
  TFE_OpSetDevice: ['void', 'pointer', 'text', 'pointer'],
  TFE_OpAddInput: ['void', 'pointer', 'pointer', 'pointer'],
  TFE_OpAddInputList: ['void', 'pointer', 'address', 'int', 'pointer'],
  TFE_OpSetAttrString: ['void', 'pointer', 'text', 'address', 'size'],
  TFE_OpSetAttrInt: ['void', 'pointer', 'text', 'int64'],
  TFE_OpSetAttrFloat: ['void', 'pointer', 'text', 'float'],
  TFE_OpSetAttrBool: ['void', 'pointer', 'text', 'byte'],
  TFE_OpSetAttrType: ['void', 'pointer', 'text', 'int'],
  TFE_OpSetAttrShape: ['void', 'pointer', 'text', 'address', 'int', 'pointer'],
  TFE_OpSetAttrIntList: ['void', 'pointer', 'text', 'address', 'int'],
  TFE_OpSetAttrFloatList: ['void', 'pointer', 'text', 'address', 'int'],
  TFE_OpSetAttrBoolList: ['void', 'pointer', 'text', 'address', 'int'],
  TFE_OpSetAttrTypeList: ['void', 'pointer', 'text', 'address', 'int'],
  TFE_OpSetAttrStringList: ['void', 'pointer', 'text', 'address', 'address', 'int'],
  TFE_OpSetAttrFunctionName: ['void', 'pointer', 'text', 'text', 'size'],
  TFE_Execute: ['void', 'pointer', 'address', 'address', 'pointer'],

  // what runs operations: at once, or one after another in a thread of its own
  TFE_NewExecutor: ['pointer', 'byte', 'byte', 'int'],
  TFE_ContextGetExecutorForThread: ['pointer', 'pointer'],
  TFE_ContextSetExecutorForThread: ['void', 'pointer', 'pointer'],
  TFE_ExecutorWaitForAllPendingNodes: ['void', 'pointer', 'pointer'],
  TFE_ExecutorClearError: ['void', 'pointer'],

  // functions and graphs
  TFE_ContextAddFunction: ['void', 'pointer', 'pointer', 'pointer'],
  TFE_ContextRemoveFunction: ['void', 'pointer', 'text', 'pointer'],
  TFE_ContextHasFunction: ['byte', 'pointer', 'text'],
  TF_NewGraph: ['pointer'],
  TF_DeleteGraph: ['void', 'pointer'],
  TF_NewOperation: ['pointer', 'pointer', 'text', 'text'],
  TF_AddInput: ['void', 'pointer', 'output'],
  TF_AddInputList: ['void', 'pointer', 'outputs', 'int'],
  TF_FinishOperation: ['pointer', 'pointer', 'pointer'],
  TF_OperationNumOutputs: ['int', 'pointer'],
  TF_OperationOutputType: ['int', 'output'],
  TF_GraphGetTensorNumDims: ['int', 'pointer', 'output', 'pointer'],
  TF_GraphGetTensorShape: ['void', 'pointer', 'output', 'address', 'int', 'pointer'],
  TF_GraphSetTensorShape: ['void', 'pointer', 'output', 'address', 'int', 'pointer'],
  TF_GraphOperationByName: ['pointer', 'pointer', 'text'],
  TF_GraphCopyFunction: ['void', 'pointer', 'pointer', 'pointer', 'pointer'],
  TF_GraphToFunction: [
    'pointer', // function
    'pointer', // graph
    'text', // name
    'byte', // append a hash to the name
    'int', // number of operations, -1 for all
    'address', // operations
    'int',
    'outputs', // inputs
    'int',
    'outputs', // outputs
    'address', // output names
    'address', // options
    'address', // description
    'pointer', // status
  ],
  TF_DeleteFunction: ['void', 'pointer'],
  TF_SetAttrString: ['void', 'pointer', 'text', 'address', 'size'],
  TF_SetAttrInt: ['void', 'pointer', 'text', 'int64'],
  TF_SetAttrFloat: ['void', 'pointer', 'text', 'float'],
  TF_SetAttrBool: ['void', 'pointer', 'text', 'byte'],
  TF_SetAttrType: ['void', 'pointer', 'text', 'int'],
  TF_SetAttrShape: ['void', 'pointer', 'text', 'address', 'int'],
  TF_SetAttrIntList: ['void', 'pointer', 'text', 'address', 'int'],
  TF_SetAttrFloatList: ['void', 'pointer', 'text', 'address', 'int'],
  TF_SetAttrBoolList: ['void', 'pointer', 'text', 'address', 'int'],
  TF_SetAttrTypeList: ['void', 'pointer', 'text', 'address', 'int'],
  TF_SetAttrStringList: ['void', 'pointer', 'text', 'address', 'address', 'int'],
  TF_SetAttrTensor: ['void', 'pointer', 'text', 'pointer', 'pointer'],
  TF_SetAttrFuncName: ['void', 'pointer', 'text', 'text', 'size'],

  // saved models
  TF_NewSessionOptions: ['pointer'],
  TF_DeleteSessionOptions: ['void', 'pointer'],
  TF_LoadSessionFromSavedModel: [
    'pointer', // session
    'pointer', // session options
    'address', // run options
    'text', // folder
    'address', // tags
    'int', // number of tags
    'pointer', // graph
    'address', // meta graph
    'pointer', // status
  ],
  TF_SessionRun: [
    'void',
    'pointer', // session
    'address', // run options
    'outputs', // inputs
    'address', // input tensors
    'int',
    'outputs', // outputs
    'address', // output tensors
    'int',
    'address', // target operations
    'int',
    'address', // run metadata
    'pointer', // status
  ],
  TF_CloseSession: ['void', 'pointer', 'pointer'],
  TF_DeleteSession: ['void', 'pointer', 'pointer'],
} as const satisfies Record<string, Signature>;
