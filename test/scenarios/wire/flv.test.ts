import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeTag, flvHeader } from '../../../protocols/flv/writer.ts';
import { MediaType } from '../../../protocols/media.ts';
import { walkFlv } from '../../../scenarios/wire/flv.ts';

const FILE = Buffer.concat([
  flvHeader({ audio: true, video: true }),
  encodeTag(MediaType.script, 0, Buffer.from('meta')),
  encodeTag(MediaType.video, 0x12345678, Buffer.alloc(300, 1)),
  encodeTag(MediaType.audio, 40, Buffer.alloc(7, 2)),
]);

test('every field of a file by the book', () => {
  const { header, tags, rest } = walkFlv(FILE);
  assert.deepEqual(header, {
    signature: 'FLV',
    version: 1,
    hasAudio: true,
    hasVideo: true,
    reservedFlags: 0,
    dataOffset: 9,
    previousTagSize0: 0,
  });
  assert.deepEqual(
    tags.map(({ type, timestamp, dataSize, previousTagSize }) => [
      type,
      timestamp,
      dataSize,
      previousTagSize,
    ]),
    [
      [18, 0, 4, 15],
      [9, 0x12345678, 300, 311],
      [8, 40, 7, 18],
    ],
  );
  assert.equal(rest, 0);
});

test('a file that is still coming gives its complete tags, at any length', () => {
  for (let length = 0; length < FILE.length; length++) {
    const { header, tags, rest } = walkFlv(FILE.subarray(0, length));
    assert.equal(header === undefined, length < 13);
    const complete = tags.reduce(
      (sum, { dataSize }) => sum + 11 + dataSize + 4,
      header === undefined ? 0 : 13,
    );
    assert.equal(complete + rest, length);
  }
});

test('mistakes are told, not thrown', () => {
  const file = Buffer.from(FILE);
  file[4] = 0x06;
  file[13] = 0x32;
  file[23] = 5;
  file.writeUInt32BE(99, 28);
  const { header, tags } = walkFlv(file);
  assert.deepEqual([header?.hasVideo, header?.reservedFlags], [false, 2]);
  const { flags, streamId, previousTagSize } = tags[0]!;
  assert.deepEqual([flags, streamId, previousTagSize], [0x20, 5, 99]);
});
