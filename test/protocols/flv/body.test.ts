import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  compositionTime,
  isExVideo,
  isKeyframe,
  isSequenceHeader,
  soundFormat,
  videoCodec,
} from '../../../protocols/flv/body.ts';
import { MediaType } from '../../../protocols/media.ts';

test('AVC: sequence header, keyframe, inter frame, end of sequence', () => {
  const rows: [number[], boolean, boolean][] = [
    [[0x17, 0, 0, 0, 0], false, true],
    [[0x17, 1, 0, 0, 0], true, false],
    [[0x27, 1, 0, 0, 0], false, false],
    [[0x17, 2, 0, 0, 0], false, false],
    [[0x1c, 0, 0, 0, 0], false, true],
    [[0x1c, 1, 0, 0, 0], true, false],
    [[0x12], true, false],
    [[0x22], false, false],
    [[], false, false],
  ];
  for (const [bytes, keyframe, config] of rows) {
    const body = Uint8Array.from(bytes);
    assert.equal(isKeyframe(body), keyframe, `keyframe of ${bytes}`);
    assert.equal(isSequenceHeader(MediaType.video, body), config, `sequence header of ${bytes}`);
  }
});

test('Enhanced RTMP: told apart, PacketType 0 is the configuration, 1 and 3 are frames', () => {
  const hvc1 = [0x68, 0x76, 0x63, 0x31];
  const start = Uint8Array.of(0x90, ...hvc1);
  const key = Uint8Array.of(0x91, ...hvc1);
  const keyX = Uint8Array.of(0x93, ...hvc1);
  const inter = Uint8Array.of(0xa3, ...hvc1);
  const metadata = Uint8Array.of(0x94, ...hvc1);
  assert.deepEqual(
    [start, key, keyX, inter, metadata].map((body) => isExVideo(body)),
    Array(5).fill(true),
  );
  assert.deepEqual(
    [start, key, keyX, inter, metadata].map((body) => isKeyframe(body)),
    [false, true, true, false, false],
  );
  assert.equal(isSequenceHeader(MediaType.video, start), true);
  assert.equal(isSequenceHeader(MediaType.video, key), false);
  assert.equal(videoCodec(start), undefined);
  assert.equal(isSequenceHeader(MediaType.audio, Uint8Array.of(0x90, 0x4f, 0x70, 0x75, 0x73)), true);
});

test('audio: only AAC has a sequence header', () => {
  assert.equal(isSequenceHeader(MediaType.audio, Uint8Array.of(0xaf, 0, 0x12, 0x10)), true);
  assert.equal(isSequenceHeader(MediaType.audio, Uint8Array.of(0xaf, 1, 0x21)), false);
  assert.equal(isSequenceHeader(MediaType.audio, Uint8Array.of(0x2f, 0)), false);
  assert.equal(isSequenceHeader(MediaType.script, Uint8Array.of(0xaf, 0)), false);
  assert.equal(soundFormat(Uint8Array.of(0xaf, 0)), 10);
});

test('composition time is signed and read at an offset', () => {
  assert.equal(compositionTime(Uint8Array.of(0x27, 1, 0, 0, 80)), 80);
  assert.equal(compositionTime(Uint8Array.of(9, 9, 0x27, 1, 0xff, 0xff, 0xd8), 2), -40);
  assert.equal(compositionTime(Uint8Array.of(0x27, 1, 0)), 0);
});
