import assert from 'node:assert/strict';
import { conformanceCases } from '../../src/engine/conformance/run-conformance.ts';
import { run } from './run-cli.ts';

describe('taustream engine', () => {
  it('list says which engines are here, and which would be used', async () => {
    const { code, stdout } = await run(['engine', 'list']);
    assert.equal(code, 0);
    for (const name of ['tensorflow', 'wasm', 'cpu']) assert.match(stdout, new RegExp(`^${name} `, 'm'));
    assert.match(stdout, /^Would be used: cpu \(/m);
  });

  it('install refuses a wheel that is not there, and says so in a line', async () => {
    const { code, stderr } = await run(['engine', 'install', '--wheel', 'no-such.whl']);
    assert.equal(code, 1);
    assert.match(stderr, /^taustream: .*no-such\.whl.*\n$/m);
  });
});

describe('taustream doctor', () => {
  it('checks what the fast engine needs, and exits by what it found', async () => {
    const { code, stdout } = await run(['doctor']);
    for (const name of ['Node', 'platform', 'memory'])
      assert.match(stdout, new RegExp(`^(ok {2}|lack) {2}${name}: `, 'm'));
    assert.equal(code, /^lack/m.test(stdout) ? 1 : 0);
    assert.match(stdout, /^Engine: cpu \(/m);
  });

  it('holds an engine against the plain one, in the kinds of cases asked for', async () => {
    const { stdout, stderr } = await run(['doctor', '--engine', 'cpu', '--conformance', '--only', 'op']);
    const cases = conformanceCases.filter(({ group }) => group === 'op').length;
    assert.match(stdout, new RegExp(`^${cases} passed, 0 failed, 0 skipped in `, 'm'));
    assert.equal(stderr.match(/^ok {3}op /gm)?.length, cases);
    assert.equal(stderr.match(/^\S+ +(layer|score|training|compiled) /gm), null);
  });

  it('refuses a kind of cases that there is not', async () => {
    const { code, stderr } = await run(['doctor', '--only', 'ops']);
    assert.notEqual(code, 0);
    assert.match(stderr, /'ops' is invalid.*op, layer, score, training, compiled/);
  });
});
