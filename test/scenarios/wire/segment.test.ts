import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { describeItem } from '../../../drivers/measure/recorder.ts';
import { withoutClock } from '../../../lab/builtin/hls/segment-faults.ts';
import { MediaType } from '../../../protocols/media.ts';
import { TsWriter } from '../../../protocols/mpegts/writer.ts';
import { readSegment, type SegmentSeen } from '../../../scenarios/wire/segment.ts';

const PACKET = 188;
const AUD = [0, 0, 0, 1, 9, 0xf0];
const IDR = Uint8Array.from([...AUD, 0, 0, 0, 1, 0x65, 0x88, 0x80, ...new Array<number>(400).fill(0x55)]);
const INTER = Uint8Array.from([...AUD, 0, 0, 0, 1, 0x41, 0x9a, 0x80, ...new Array<number>(200).fill(0x55)]);

/** ADTS without CRC, of this many bytes behind its header. */
function adts(size: number): Uint8Array {
  const length = size + 7;
  const header = [
    0xff,
    0xf1,
    0x50,
    0x80 | (length >> 11),
    (length >> 3) & 0xff,
    ((length & 7) << 5) | 0x1f,
    0xfc,
  ];
  return Uint8Array.from([...header, ...new Array<number>(size).fill(7)]);
}

function sizes({ audio }: SegmentSeen): number[] {
  return audio.map(({ size }) => size);
}

interface Parts {
  tables?: boolean;
  pictures?: readonly Uint8Array[];
  audio?: readonly Uint8Array[];
}

function segment({
  tables = true,
  pictures = [IDR, INTER],
  audio = [adts(100), adts(90)],
}: Parts = {}): Uint8Array {
  const writer = new TsWriter();
  const parts: Uint8Array[] = tables ? [writer.tables().slice()] : [];
  for (const [i, picture] of pictures.entries()) {
    parts.push(writer.video(picture, i * 3600, i * 3600, picture === IDR).slice());
  }
  for (const [i, frames] of audio.entries()) parts.push(writer.audio(frames, i * 2000).slice());
  return Buffer.concat(parts);
}

test('a whole segment: pictures, audio frames by size, counters of every PID', () => {
  const seen = readSegment(segment(), 7);
  assert.equal(seen.error, null);
  assert.deepEqual([seen.tablesFirst, seen.keyFirst, seen.breaks], [true, true, 0]);
  assert.deepEqual(
    seen.frames.map(({ key, timestamp, segment }) => ({ key, timestamp, segment })),
    [
      { key: true, timestamp: 0, segment: 7 },
      { key: false, timestamp: 40, segment: 7 },
    ],
  );
  assert.deepEqual(sizes(seen), [100, 90]);
  assert.equal(seen.firstCounters.split(' ').length, 4, 'PAT, PMT, video, audio');
  assert.match(seen.lastCounters, /^0:0 /);
});

test('several audio frames in one PES packet; what is no ADTS is told', () => {
  const two = readSegment(segment({ audio: [Buffer.concat([adts(50), adts(60)])] }), 0);
  assert.deepEqual(sizes(two), [50, 60]);
  assert.deepEqual(
    two.audio.map(({ at }) => at),
    [0, Number.NaN],
    'the second has no time of its own',
  );
  assert.deepEqual(sizes(readSegment(segment({ audio: [Buffer.from('no audio at all')] }), 0)), [-1]);
});

test('an audio frame has the checksum that it has when it is published', () => {
  const body = Uint8Array.from([0xaf, 1, ...new Array<number>(100).fill(7)]);
  const [frame] = readSegment(segment(), 0).audio;
  assert.equal(frame?.sum, describeItem(MediaType.audio, 0, body, 0).sum);
});

test('the program: types of its streams, its clock, presentation times, parameter sets', () => {
  const plain = readSegment(segment(), 0);
  assert.deepEqual([plain.streams, plain.adts], ['1b 0f', '2/44100/2']);
  assert.deepEqual([plain.clocked, plain.parameterSets, plain.shownAt], [true, false, [0, 40]]);
  const sets = [0, 0, 0, 1, 0x67, 0x42, 0, 0x1e, 0, 0, 0, 1, 0x68, 0xce];
  const complete = Uint8Array.from([...AUD, ...sets, ...IDR.subarray(AUD.length)]);
  assert.equal(readSegment(segment({ pictures: [complete, INTER] }), 0).parameterSets, true);
  assert.equal(readSegment(segment({ pictures: [IDR, complete] }), 0).parameterSets, false, 'too late');
  const writer = new TsWriter();
  const clockless = Buffer.concat([
    writer.tables(),
    writer.video(complete, 9000, 3600, false),
    writer.audio(adts(10), 0),
  ]);
  withoutClock(clockless);
  const seen = readSegment(clockless, 0);
  assert.deepEqual([seen.clocked, seen.shownAt, seen.error], [false, [100], null]);
});

describe('damage', () => {
  const whole = segment();

  test('within a packet', () => {
    assert.equal(readSegment(whole.subarray(0, whole.length - 10), 0).error, 'mpegts.packet');
  });

  test('no tables, or tables that come later', () => {
    assert.equal(readSegment(segment({ tables: false }), 0).tablesFirst, false);
    const later = Buffer.concat([whole.subarray(2 * PACKET, 3 * PACKET), whole]);
    assert.equal(readSegment(later, 0).tablesFirst, false);
  });

  test('a picture that is no keyframe first', () => {
    assert.equal(readSegment(segment({ pictures: [INTER, IDR] }), 0).keyFirst, false);
    assert.equal(readSegment(segment({ pictures: [] }), 0).keyFirst, false);
  });

  test('a packet that is missing', () => {
    const without = Buffer.concat([whole.subarray(0, 3 * PACKET), whole.subarray(4 * PACKET)]);
    assert.equal(readSegment(without, 0).breaks, 1);
  });

  test('nothing, and anything', () => {
    assert.equal(readSegment(new Uint8Array(), 0).error, 'empty');
    assert.equal(readSegment(Buffer.from('<html>404</html>'), 0).error, 'mpegts.packet');
  });
});
