import type * as tf from '@tensorflow/tfjs';

/** TensorFlow's data types (`TF_DataType`) that the engine moves between TensorFlow and JavaScript. */
export const dataTypes = {
  float32: 1,
  float64: 2,
  int32: 3,
  uint8: 4,
  int8: 6,
  string: 7,
  complex64: 8,
  int64: 9,
  bool: 10,
  bfloat16: 14,
  float16: 19,
  resource: 20,
  variant: 21,
} as const;
export type DataTypeName = keyof typeof dataTypes;
/** A number of `TF_DataType`. */
export type DataType = number;

const names = new Map<DataType, DataTypeName>(
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.entries forgets that the keys are those of `dataTypes`
  Object.entries(dataTypes).map(([name, type]) => [type, name as DataTypeName]),
);

/** The name of a data type, for messages. */
export const nameOfType = (type: DataType): string => names.get(type) ?? `type ${type}`;

const bytes = new Map<DataType, number>([
  [dataTypes.float32, 4],
  [dataTypes.float64, 8],
  [dataTypes.int32, 4],
  [dataTypes.uint8, 1],
  [dataTypes.int8, 1],
  [dataTypes.complex64, 8],
  [dataTypes.int64, 8],
  [dataTypes.bool, 1],
  [dataTypes.bfloat16, 2],
  [dataTypes.float16, 2],
]);

/** Bytes of one element, or `undefined` where elements have no fixed size (strings, resources). */
export const bytesOfType = (type: DataType): number | undefined => bytes.get(type);

/** The type that TensorFlow.js, which knows fewer, shows for a tensor of `type`; `undefined` if it cannot show one. */
export function tfjsType(type: DataType): tf.DataType | undefined {
  switch (type) {
    case dataTypes.float32:
    case dataTypes.float64:
    case dataTypes.float16:
    case dataTypes.bfloat16:
      return 'float32';
    case dataTypes.int32:
    case dataTypes.int64:
    case dataTypes.uint8:
    case dataTypes.int8:
      return 'int32';
    case dataTypes.bool:
      return 'bool';
    case dataTypes.complex64:
      return 'complex64';
    case dataTypes.string:
    case dataTypes.resource:
    case dataTypes.variant:
      return 'string';
    default:
      return undefined;
  }
}
