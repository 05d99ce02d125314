import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { crc32c, maskedCrc32c } from '../../../src/report/tensorboard/crc32c.ts';
import { EventsFile } from '../../../src/report/tensorboard/events-file.ts';

describe('crc32c', () => {
  it('gives the values of RFC 3720, appendix B.4, and the check value', () => {
    assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
    assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
    assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
    assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  });
});

describe('EventsFile', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'taustream-events-'));
    using events = new EventsFile(folder, 4);
    path = events.path;
    events.write(5, { scalars: { loss: 1.5 }, histograms: { scores: [1, 2, 2, 3] } });
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('holds whole records with their checksums: version, start, and one a step', async () => {
    const bytes = await readFile(path);
    const records: Buffer[] = [];
    for (let at = 0; at < bytes.length;) {
      const length = Number(bytes.readBigUInt64LE(at));
      assert.equal(bytes.readUInt32LE(at + 8), maskedCrc32c(bytes.subarray(at, at + 8)));
      const data = bytes.subarray(at + 12, at + 12 + length);
      assert.equal(bytes.readUInt32LE(at + 12 + length), maskedCrc32c(data));
      records.push(data);
      at += 16 + length;
    }
    assert.equal(records.length, 3);
    assert.ok(records[0]!.includes('brain.Event:2'));
    // step 5 (field 2), session_log (field 7) of 2 bytes: status (field 1) START (1)
    assert.equal(records[1]!.subarray(9).toString('hex'), '10053a020801');
    // tag `loss` and the float 1.5 (field 2, fixed32)
    assert.ok(records[2]!.includes(Buffer.from('0a046c6f7373150000c03f', 'hex')));
  });

  it("is read by TensorBoard's own reader", async function () {
    this.timeout(60_000);
    const program = `
import sys
try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError:
    print("absent"); sys.exit()
a = EventAccumulator(sys.argv[1], purge_orphaned_data=True); a.Reload()
h = a.Histograms("scores")[0].histogram_value
print(a.Tags()["scalars"], a.Tags()["histograms"], a.Scalars("loss")[0].step, a.Scalars("loss")[0].value, h.min, h.max, h.num, h.sum, h.sum_squares, sum(h.bucket))
`;
    const run = promisify(execFile)('python3', ['-c', program, folder]).catch(() => ({ stdout: 'absent\n' }));
    const { stdout } = await run;
    if (stdout === 'absent\n') this.skip(); // TensorBoard is not here
    assert.equal(stdout, "['loss'] ['scores'] 5 1.5 1.0 3.0 4.0 8.0 18.0 4.0\n");
  });
});
