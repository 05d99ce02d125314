import type * as tf from '@tensorflow/tfjs';
import type { TensorflowBackend } from '../backend.ts';
import { dataTypes } from '../binding/data-types.ts';

/**
 * Lists of tensors of one shape and type, which loops read and fill at a step's index: reading copies nothing, filling
 * keeps the item as it is.
 */
export class TensorLists {
  readonly #backend: TensorflowBackend;

  constructor(backend: TensorflowBackend) {
    this.#backend = backend;
  }

  /** The rows of a tensor, [T, …] -> T of […]. */
  of(tensor: tf.Tensor): tf.Tensor {
    return this.#run('TensorListFromTensor', [this.#id(tensor), this.#shape(tensor.shape.slice(1))]);
  }

  /** A list of `length` items to be filled. */
  empty(length: number, shape: readonly number[], dtype: tf.DataType = 'float32'): tf.Tensor {
    const attributes = [this.#type(dtype)];
    return this.#run('TensorListReserve', [this.#shape(shape), this.#integers([], [length])], attributes);
  }

  get(list: tf.Tensor, index: tf.Tensor, shape: readonly number[], dtype: tf.DataType = 'float32'): tf.Tensor {
    const attributes = [this.#type(dtype)];
    return this.#run('TensorListGetItem', [this.#id(list), this.#id(index), this.#shape(shape)], attributes);
  }

  /** The list with `item` at `index`. */
  set(list: tf.Tensor, index: tf.Tensor, item: tf.Tensor): tf.Tensor {
    return this.#run('TensorListSetItem', [this.#id(list), this.#id(index), this.#id(item)]);
  }

  /** All items as one tensor, T of […] -> [T, …]. */
  stack(list: tf.Tensor, length: number, shape: readonly number[], dtype: tf.DataType = 'float32'): tf.Tensor {
    const attributes = [this.#type(dtype), { name: 'num_elements', value: length }];
    return this.#run('TensorListStack', [this.#id(list), this.#shape(shape)], attributes);
  }

  #type(dtype: tf.DataType) {
    return { name: 'element_dtype', value: this.#backend.getDTypeInteger(dtype) };
  }

  #id(tensor: tf.Tensor): number {
    return this.#backend.tensors.idOf(tensor);
  }

  #shape(shape: readonly number[]): number {
    return this.#integers([shape.length], shape);
  }

  #integers(shape: number[], values: readonly number[]): number {
    return this.#backend.engineBinding.createTensor(shape, dataTypes.int32, values);
  }

  #run(name: string, inputs: number[], attributes: { name: string; value: number }[] = []): tf.Tensor {
    const [made] = this.#backend.engineBinding.executeOp(name, attributes, inputs, 1);
    if (!made) throw new RangeError(`${name} gave no output.`);
    return this.#backend.tensors.tensorOf(made);
  }
}
