import assert from 'node:assert/strict';
import fc from 'fast-check';
import { cudaRequirements, isCudaFile, loadOrder } from '../../../../src/engine/tensorflow/install/cuda.ts';

describe('cudaRequirements', () => {
  it('takes the NVIDIA wheels of the extra, without the marker', () => {
    assert.deepEqual(
      cudaRequirements([
        'numpy>=1.26.0',
        'nvidia-cublas-cu12<13.0,>=12.5.3.2; extra == "and-cuda"',
        "nvidia-nccl-cu12 <3.0,>=2.27.7 ; extra == 'and-cuda'",
        'nvidia-ml-py; extra == "monitoring"',
      ]),
      ['nvidia-cublas-cu12<13.0,>=12.5.3.2', 'nvidia-nccl-cu12<3.0,>=2.27.7'],
    );
  });
});

describe('isCudaFile', () => {
  it('takes libraries and what XLA compiles with', () => {
    const entries = [
      'nvidia/cudnn/lib/libcudnn.so.9',
      'nvidia/cuda_nvcc/bin/ptxas',
      'nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc',
    ];
    assert.deepEqual([...entries, 'nvidia/cudnn/include/cudnn.h', 'nvidia/__init__.py'].filter(isCudaFile), entries);
  });
});

const library = (soname: string, ...needed: string[]) => ({ soname, needed });

describe('loadOrder', () => {
  it('puts each library after those that it needs', () => {
    const libraries = new Map([
      ['cudnn/lib/libcudnn.so.9', library('libcudnn.so.9', 'libcudart.so.12', 'libcublas.so.12')],
      ['cublas/lib/libcublas.so.12', library('libcublas.so.12', 'libcublasLt.so.12', 'libc.so.6')],
      ['cublas/lib/libcublasLt.so.12', library('libcublasLt.so.12')],
      ['cuda_runtime/lib/libcudart.so.12', library('libcudart.so.12')],
    ]);
    assert.deepEqual(loadOrder(libraries), [
      'cublas/lib/libcublasLt.so.12',
      'cublas/lib/libcublas.so.12',
      'cuda_runtime/lib/libcudart.so.12',
      'cudnn/lib/libcudnn.so.9',
    ]);
  });

  it('holds each library once, after its needs, for any graph without cycles, and ends for one with cycles', () => {
    const graph = fc.array(fc.array(fc.nat(9), { maxLength: 4 }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(graph, fc.boolean(), (edges, cycles) => {
        const libraries = new Map(
          edges.map((needs, i) => [
            `${(i * 7) % 10}/${i}.so`,
            { soname: `lib${i}`, needed: needs.filter((n) => cycles || n < i).map((n) => `lib${n}`) },
          ]),
        );
        const order = loadOrder(libraries);
        assert.deepEqual([...order].toSorted(), [...libraries.keys()].toSorted());
        if (cycles) return;
        const placeOf = new Map(order.map((path, place) => [libraries.get(path)?.soname, place]));
        for (const { soname, needed } of libraries.values()) {
          for (const name of needed) assert.ok((placeOf.get(name) ?? -1) < (placeOf.get(soname) ?? -1));
        }
      }),
      { seed: 1 },
    );
  });
});
