import assert from 'node:assert/strict';
import { EngineError } from '../../../../src/errors.ts';
import { wheelSource } from '../../../../src/engine/tensorflow/install/wheel-source.ts';

describe('wheelSource', () => {
  for (const [platform, arch, cuda, requirement, main, tag] of [
    ['linux', 'x64', false, 'tensorflow-cpu==2.21.0', 'libtensorflow_cc.so.2', 'manylinux_2_27_x86_64'],
    ['linux', 'x64', true, 'tensorflow==2.21.0', 'libtensorflow_cc.so.2', 'manylinux_2_27_x86_64'],
    ['linux', 'arm64', false, 'tensorflow==2.21.0', 'libtensorflow_cc.so.2', 'manylinux_2_27_aarch64'],
    ['darwin', 'arm64', false, 'tensorflow==2.21.0', 'libtensorflow_cc.2.dylib', 'macosx_12_0_arm64'],
  ] as const) {
    it(`asks for ${requirement} on ${platform} ${arch}${cuda ? ' with CUDA' : ''}`, () => {
      const source = wheelSource({ platform, arch }, '2.21.0', cuda);
      assert.equal(source.requirement, requirement);
      assert.equal(source.main, main);
      assert.ok(source.platforms.includes(tag));
    });
  }

  for (const [platform, arch, cuda] of [
    ['win32', 'x64', false],
    ['darwin', 'x64', false],
    ['darwin', 'arm64', true],
  ] as const) {
    it(`refuses ${platform} ${arch}${cuda ? ' with CUDA' : ''} and names the engine that needs no installation`, () => {
      assert.throws(
        () => wheelSource({ platform, arch }, '2.21.0', cuda),
        (error) => {
          assert.ok(error instanceof EngineError);
          assert.match(error.message, new RegExp(`got ${platform} ${arch}.*\`wasm\``, 'u'));
          return true;
        },
      );
    });
  }
});
