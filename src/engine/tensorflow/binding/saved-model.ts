import koffi from 'koffi';
import { EngineError } from '../../../errors.ts';
import type { OpRunnerParts, TensorMetadata } from './ops.ts';
import type { Output, Pointer } from './signatures.ts';

interface LoadedModel {
  readonly folder: string;
  readonly session: Pointer;
  readonly graph: Pointer;
}

/** Saved models as TensorFlow runs them: a session over the model's own graph. */
export class SavedModels {
  readonly #parts: OpRunnerParts;
  readonly #loaded = new Map<number, LoadedModel>();
  #last = 0;

  constructor(parts: OpRunnerParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#loaded.size;
  }

  /**
   * Loads the model in `folder` whose tags are `tags`, separated by commas.
   *
   * @throws {EngineError} when there is no such model, or it uses operations that this TensorFlow lacks
   */
  load(folder: string, tags: string): number {
    const { library, status } = this.#parts;
    const { c } = library;
    const graph = c.TF_NewGraph();
    const options = c.TF_NewSessionOptions();
    const names = cStrings(tags.split(','));
    const { addresses, count } = names;
    const session = c.TF_LoadSessionFromSavedModel(
      options,
      null,
      folder,
      addresses,
      count,
      graph,
      null,
      status.pointer,
    );
    c.TF_DeleteSessionOptions(options);
    if (!status.ok) {
      const error = status.error(`loadSavedModel(${folder}, tags ${tags})`, { folder, tags });
      c.TF_DeleteGraph(graph);
      throw error;
    }
    this.#loaded.set(++this.#last, { folder, session, graph });
    return this.#last;
  }

  /** Runs a loaded model. Names are `operation:output`, separated by commas. */
  run(id: number, inputs: readonly number[], inputNames: string, outputNames: string): TensorMetadata[] {
    const { library, status, handles } = this.#parts;
    const { c } = library;
    const model = this.#get(id);
    const feeds = outputsNamed(this.#parts, model, inputNames);
    const fetches = outputsNamed(this.#parts, model, outputNames);
    if (feeds.length !== inputs.length) {
      throw new EngineError(
        `runSavedModel(${model.folder}): expected ${feeds.length} inputs (${inputNames}), got ${inputs.length}. Pass one tensor each.`,
      );
    }
    const values = BigUint64Array.from(inputs, (input) =>
      c.TFE_TensorHandleResolve(handles.get(input), status.pointer),
    );
    const results = new BigUint64Array(fetches.length);
    try {
      const feed = [feeds, values, feeds.length] as const;
      const fetch = [fetches, results, fetches.length] as const;
      c.TF_SessionRun(model.session, null, ...feed, ...fetch, null, 0, null, status.pointer);
      status.check(`runSavedModel(${model.folder})`, { folder: model.folder });
    } finally {
      for (const value of values) c.TF_DeleteTensor(value);
    }
    return Array.from(results, (result) => this.#adopt(result));
  }

  /** Makes an eager tensor of a session's result. */
  #adopt(tensor: Pointer): TensorMetadata {
    const { library, status, handles, tensors } = this.#parts;
    const handle = library.c.TFE_NewTensorHandle(tensor, status.pointer);
    library.c.TF_DeleteTensor(tensor);
    status.check('runSavedModel()');
    return { id: handles.add(handle), shape: tensors.shapeOf(handle), dtype: tensors.typeOf(handle) };
  }

  delete(id: number): void {
    const { library, status } = this.#parts;
    const model = this.#get(id);
    this.#loaded.delete(id);
    library.c.TF_CloseSession(model.session, status.pointer);
    library.c.TF_DeleteSession(model.session, status.pointer);
    library.c.TF_DeleteGraph(model.graph);
  }

  #get(id: number): LoadedModel {
    const model = this.#loaded.get(id);
    if (!model) throw new EngineError(`saved model ${id}: it was disposed or never loaded. Load it again.`, { id });
    return model;
  }
}

function outputsNamed({ library }: OpRunnerParts, model: LoadedModel, names: string): Output[] {
  if (names === '') return [];
  return names.split(',').map((name) => {
    const [operation = '', index = '0'] = name.split(':');
    const oper = library.c.TF_GraphOperationByName(model.graph, operation);
    if (!oper) {
      throw new EngineError(
        `runSavedModel(${model.folder}): the graph has no operation \`${operation}\`. Check the signature.`,
      );
    }
    return { oper, index: Number(index) };
  });
}

/** An array of C strings: the addresses stay valid as long as the object is held. */
function cStrings(texts: readonly string[]): { addresses: BigUint64Array; count: number; kept: Buffer[] } {
  const kept = texts.map((text) => Buffer.from(`${text}\0`));
  return { addresses: BigUint64Array.from(kept, (bytes) => koffi.address(bytes)), count: texts.length, kept };
}
