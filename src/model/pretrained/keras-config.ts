import { z } from 'zod';

/** A layer as Keras writes it down. */
export interface KerasLayer {
  readonly name: string;
  readonly className: string;
}

const Layer = z.looseObject({
  class_name: z.string(),
  name: z.string().optional(),
  config: z.looseObject({ name: z.string().optional() }),
});
const Model = z.looseObject({
  class_name: z.string(),
  config: z.looseObject({ layers: z.array(Layer) }),
});

/**
 * Brings a model's configuration from Keras 3's form into that of Keras 2, which tfjs reads: types by name, the graph as
 * `[layer, node, tensor, arguments]`, input shapes as `batch_input_shape`. One of Keras 2 stays what it is.
 *
 * @throws {ZodError} when it is no model of layers
 */
export function keras2Config(config: unknown): { readonly config: unknown; readonly layers: readonly KerasLayer[] } {
  const model = Model.parse(plain(config));
  const { layers, ...rest } = model.config;
  const changed = layers.map((layer) => ({
    ...layer,
    name: layer.name ?? layer.config.name,
    inbound_nodes: nodesOf(layer['inbound_nodes']),
  }));
  const ends = Object.fromEntries(
    ['input_layers', 'output_layers'].filter((key) => key in rest).map((key) => [key, listOf(rest[key])]),
  );
  return {
    config: {
      ...model,
      class_name: modelClasses[model.class_name] ?? model.class_name,
      config: { ...rest, ...ends, layers: changed },
    },
    layers: changed.map(({ name, class_name: className }) => ({ name: String(name), className })),
  };
}

const modelClasses: Readonly<Record<string, string>> = { Functional: 'Model' };

/** Rewrites what Keras 3 nests: types and input shapes, wherever they stand. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!isObject(value)) return value;
  if (value['class_name'] === 'DTypePolicy' && isObject(value['config'])) return value['config']['name'];
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !['module', 'registered_name', 'build_config', 'compile_config'].includes(key))
      .map(([key, item]) => [key === 'batch_shape' ? 'batch_input_shape' : key, plain(item)]),
  );
}

/** `[{ args: [tensor or tensors], kwargs }]` -> `[[[layer, node, tensor, kwargs], …]]` */
function nodesOf(nodes: unknown): unknown {
  if (!Array.isArray(nodes)) return [];
  return (nodes as unknown[]).map((node) => {
    if (!isObject(node) || !('args' in node)) return node;
    const tensors = (node['args'] as unknown[]).flat().filter(isObject);
    const kwargs = Object.fromEntries(Object.entries(node['kwargs'] ?? {}).filter(([, value]) => value !== null));
    return tensors.map(({ config }) => [...(config as { keras_history: unknown[] }).keras_history, kwargs]);
  });
}

/** `[name, 0, 0]` -> `[[name, 0, 0]]` */
const listOf = (ends: unknown): unknown => (Array.isArray(ends) && typeof ends[0] === 'string' ? [ends] : ends);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
