import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readElf } from '../../../../src/engine/tensorflow/install/elf.ts';
import { fakeElf } from './fake-elf.ts';
import { temporaryFolder } from './temporary-folder.ts';

describe('readElf', () => {
  const folder = temporaryFolder();

  it('reads a library’s name and needs', async () => {
    const file = join(folder(), 'a.so');
    await writeFile(file, fakeElf('liba.so.1', ['libb.so.2', 'libc.so.6']));
    assert.deepEqual(await readElf(file), { soname: 'liba.so.1', needed: ['libb.so.2', 'libc.so.6'] });
  });

  it('reads a program that some other tool linked', async function () {
    if (process.platform !== 'linux') this.skip(); // only Linux' programs are ELF files
    const { needed } = await readElf(process.execPath);
    assert.ok(needed.includes('libc.so.6'), needed.join(' '));
  });

  it('refuses other files and files that were cut short', async () => {
    const file = join(folder(), 'a.so');
    await writeFile(file, Buffer.alloc(64, 'text'));
    await assert.rejects(readElf(file), /expected a 64-bit little-endian ELF file/u);
    await writeFile(file, fakeElf('liba.so.1', []).subarray(0, 50));
    await assert.rejects(readElf(file), /ends at byte 50/u);
  });
});
