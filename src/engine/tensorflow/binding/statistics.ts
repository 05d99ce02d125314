/** What the engine holds at this moment. Level numbers over many steps mean that nothing leaks. */
export interface EngineStatistics {
  /** Tensors that TensorFlow holds for JavaScript. */
  readonly liveTensors: number;
  readonly savedModels: number;
  /** Compiled steps' functions known to TensorFlow. */
  readonly functions: number;
  /** Operations and compiled calls since the engine was loaded. */
  readonly operations: number;
  /** Resident memory of the process, in bytes. */
  readonly residentBytes: number;
  readonly devices: readonly { readonly name: string; readonly type: string; readonly memoryBytes: number }[];
}
