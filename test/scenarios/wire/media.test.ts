import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { audioTag } from '../../../scenarios/wire/media.ts';

const HEADER_BYTES = 7;
/** Around every length of the elements that it is made of. */
const SIZES = [9, 10, 60, 262, 263, 264, 265, 266, 267, 517, 518, 519, 520, 521, 522, 523, 1000];

/** AAC LC, 44.1 kHz, mono, one block (ISO/IEC 13818-7, 6.2). */
function adts(block: Uint8Array): Buffer {
  const length = block.length + HEADER_BYTES;
  const bits = (BigInt(0xfff1) << 40n) | (BigInt(0b01_0100_0_001_0000) << 26n) | (BigInt(length) << 13n);
  const header = Buffer.alloc(8);
  header.writeBigUInt64BE((bits | (0x7ffn << 2n)) << 8n);
  return Buffer.concat([header.subarray(0, HEADER_BYTES), block]);
}

test('audio on the spot is AAC that a decoder takes, of the size that was asked for', () => {
  const bodies = SIZES.map((size) => audioTag(size).body);
  assert.deepEqual(
    bodies.map(({ length }) => length),
    SIZES,
  );
  const stream = Buffer.concat(bodies.map((body) => adts(body.subarray(2))));
  const flags = [
    '-v',
    'error',
    '-err_detect',
    'explode',
    '-xerror',
    '-f',
    'aac',
    '-i',
    '-',
    '-f',
    's16le',
    '-',
  ];
  const { status, stdout, stderr } = spawnSync('ffmpeg', flags, { input: stream });
  assert.equal(stderr.toString(), '');
  assert.equal(status, 0);
  assert.equal(stdout.length, SIZES.length * 1024 * 2);
  assert.ok(stdout.every((byte) => byte === 0));
});

test('no two pieces of audio are equal', () => {
  const [one, another] = [audioTag(100), audioTag(100)];
  assert.notDeepEqual(one.body, another.body);
});
