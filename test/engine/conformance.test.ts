import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { type ConformanceCase, finiteDifference, slope } from '../../src/engine/conformance/case.ts';
import { cudnnCases } from '../../src/engine/conformance/cudnn-cases.ts';
import { conformanceLine, conformanceReport } from '../../src/engine/conformance/report.ts';
import { type CaseResult, conformanceCases, runConformance } from '../../src/engine/conformance/run-conformance.ts';
import { type Engine, type EngineName, engineNames } from '../../src/engine/engine.ts';
import { useEngine } from '../../src/engine/use-engine.ts';

/** `wasm`, and the engine that TAUSTREAM_ENGINE names, if any. */
const asked = engineNames.find((name) => name === process.env['TAUSTREAM_ENGINE']);
const engines: readonly EngineName[] = [...new Set<EngineName>(['wasm', ...(asked ? [asked] : [])])];

const runAll = async (engine: Engine, cases: readonly ConformanceCase[]): Promise<CaseResult[]> => {
  const results: CaseResult[] = [];
  for await (const result of runConformance(engine, cases)) results.push(result);
  return results;
};

for (const name of engines) {
  describe(`runConformance on ${name}`, () => {
    let engine: Engine;
    before(async () => {
      engine = await useEngine(name);
    });

    for (const each of conformanceCases) {
      it(`agrees with ${each.against}: ${each.group}, ${each.name}`, async function () {
        const tensors = tf.memory().numTensors;
        const [result] = await runAll(engine, [each]);
        if (result!.status === 'skipped') this.skip();
        assert.equal(result!.status, 'passed', conformanceLine(result!));
        assert.equal(tf.memory().numTensors, tensors);
      });
    }
  });
}

const readings = (compute: ConformanceCase['compute'], against: 'cpu' | 'eager' = 'cpu'): ConformanceCase => ({
  group: 'op',
  name: 'made up',
  tolerance: 1e-3,
  against,
  compute,
});
const run = async (each: ConformanceCase) => {
  const engine = await useEngine('wasm');
  const [result] = await runAll(engine, [each]);
  assert.equal(tf.getBackend(), 'wasm');
  return result!;
};
const isCpu = () => tf.getBackend() === 'cpu';

describe('runConformance', () => {
  it('passes what differs by less than the tolerance', async () => {
    const result = await run(readings(async () => ({ v: [isCpu() ? 1 : 1.001] })));
    assert.equal(result.status, 'passed');
    assert.ok(Math.abs(result.worst - 0.0005) < 1e-9);
  });

  it('fails what differs by more, is NaN, or has another size, and says where', async () => {
    const differs = await run(readings(async () => ({ v: [0, isCpu() ? 1 : 2] })));
    assert.deepEqual([differs.status, differs.worst, differs.reason], ['failed', 0.5, 'v [1] is off by 5.0e-1']);
    const notANumber = await run(readings(async () => ({ v: [isCpu() ? 1 : Number.NaN] })));
    assert.deepEqual([notANumber.status, notANumber.worst], ['failed', Infinity]);
    const longer = await run(readings(async () => ({ v: isCpu() ? [1] : [1, 1] })));
    assert.deepEqual([longer.status, longer.reason], ['failed', 'the size of v is off by Infinity']);
  });

  it('fails what throws, and goes on', async () => {
    const engine = await useEngine('wasm');
    const good = readings(async () => ({ v: [1] }));
    const bad = readings(() => Promise.reject(new RangeError('no such kernel')));
    const results = await runAll(engine, [bad, good]);
    assert.deepEqual(
      results.map(({ status, reason }) => [status, reason]),
      [
        ['failed', 'no such kernel'],
        ['passed', undefined],
      ],
    );
  });

  it('fails a gradient that is not the slope of the loss', async () => {
    const result = await run(readings(async () => ({ [slope]: [1], [finiteDifference]: [1.1] })));
    assert.deepEqual([result.status, result.reason], ['failed', 'the gradient is not the slope of the loss']);
  });

  it('holds a compiled step against the same engine', async () => {
    const backends: string[] = [];
    const note = async () => {
      backends.push(tf.getBackend());
      return { v: [1] };
    };
    await run(readings(note, 'eager'));
    assert.deepEqual(backends, ['wasm', 'wasm']);
  });
});

describe('conformanceReport', () => {
  it('names the machine, what failed and was skipped, and counts', async () => {
    const engine = await useEngine('wasm');
    const common = { group: 'op', tolerance: 1e-5, milliseconds: 500 } as const;
    const report = conformanceReport(engine, [
      { ...common, name: 'a', status: 'passed', worst: 1e-7 },
      { ...common, name: 'b', status: 'failed', worst: 0.5, reason: 'v [1] is off by 5.0e-1' },
      { ...common, name: 'c', status: 'skipped', worst: 0, reason: 'no such kernel there' },
    ]);
    const lines = report.split('\n');
    assert.match(lines[0]!, /^engine: wasm \(WebAssembly/);
    assert.match(lines[1]!, new RegExp(`Node ${process.version}`));
    assert.deepEqual(lines.slice(2), [
      'FAIL op       b: v [1] is off by 5.0e-1 (5.0e-1 of 1e-5)',
      'skip op       c: no such kernel there',
      '1 passed, 1 failed, 1 skipped in 1.5 s',
    ]);
  });
});

describe('cudnnCases', () => {
  for (const each of cudnnCases) {
    it(`are right by themselves, and fail where cuDNN was given up: ${each.name}`, async () => {
      const engine = await useEngine('wasm');
      const [skipped] = await runAll(engine, [each]);
      assert.match(conformanceLine(skipped!), /^skip.*cuDNN runs on CUDA devices only/u);
      const [passed] = await runAll(engine, [{ ...each, name: 'by the LSTM of wasm', tolerance: 5e-5 }]);
      assert.equal(passed!.status, 'passed', conformanceLine(passed!));
      const off = { ...engine, cudnn: 'off' };
      const [failed] = await runAll(off, [each]);
      assert.match(conformanceLine(failed!), /^FAIL.*it is off/u);
    });
  }
});
