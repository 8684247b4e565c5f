import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError, ProtocolErrorCode } from '../../../protocols/errors.ts';
import { compositionTime, isKeyframe, isSequenceHeader } from '../../../protocols/flv/body.ts';
import { FlvReader } from '../../../protocols/flv/reader.ts';
import {
  encodePreviousTagSize,
  encodeTag,
  encodeTagHeader,
  flvHeader,
} from '../../../protocols/flv/writer.ts';
import { MediaType } from '../../../protocols/media.ts';
import { pushInPieces, readTags, TagCollector } from './collect.ts';

const FIXTURE_URL = new URL('../../../fixtures/media/av-480k.flv', import.meta.url);
const fixture = new Uint8Array(readFileSync(FIXTURE_URL));

function codeOf(bytes: Uint8Array, limits = {}): string | undefined {
  try {
    new FlvReader(new TagCollector(), limits).push(bytes);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof ProtocolError, String(error));
    return error.code;
  }
}

const tagArbitrary = fc.record(
  {
    type: fc.constantFrom(MediaType.audio, MediaType.video, MediaType.script),
    timestamp: fc.oneof(
      fc.integer({ min: 0, max: 0xffffffff }),
      fc.constantFrom(0xffffff, 0x1000000, 0x7fffffff, 0x80000000, 0xffffffff),
    ),
    body: fc.uint8Array({ maxLength: 300 }),
  },
  { noNullPrototype: true },
);

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

test('any tags, cut anywhere, come out as they went in', () => {
  fc.assert(
    fc.property(
      fc.array(tagArbitrary, { maxLength: 12 }),
      fc.array(fc.nat(), { maxLength: 40 }),
      (tags, cuts) => {
        const bytes = concat([
          flvHeader({ audio: true, video: false }),
          ...tags.map((tag) => encodeTag(tag.type, tag.timestamp, tag.body)),
        ]);
        const collector = new TagCollector();
        const reader = new FlvReader(collector);
        pushInPieces(bytes, cuts, (piece, start, end) => reader.push(piece, start, end));
        assert.deepEqual(collector.tags, tags);
        assert.deepEqual(collector.flags, { audio: true, video: false });
        assert.deepEqual(collector.faults, []);
        assert.equal(reader.atTagBoundary, true);
      },
    ),
    { numRuns: 200 },
  );
});

test("ffmpeg's file, byte by byte and at once, gives the same tags as ffprobe counts", () => {
  const whole = readTags(fixture);
  const collector = new TagCollector();
  const reader = new FlvReader(collector);
  for (let at = 0; at < fixture.length; at++) reader.push(fixture, at, at + 1);
  assert.deepEqual(collector.tags, whole);
  assert.deepEqual(collector.faults, []);
  assert.deepEqual(collector.flags, { audio: true, video: true });
  assert.equal(reader.atTagBoundary, true);

  const packets = execFileSync(
    'ffprobe',
    [
      '-v',
      'error',
      '-show_entries',
      'packet=codec_type,dts_time,flags',
      '-of',
      'csv=p=0',
      FIXTURE_URL.pathname,
    ],
    { encoding: 'utf8' },
  )
    .trim()
    .split('\n')
    .map((line) => line.split(','));
  const media = whole.filter((tag) => tag.type !== MediaType.script && !isSequenceHeader(tag.type, tag.body));
  assert.equal(media.length, packets.length);
  for (const [i, packet] of packets.entries()) {
    const tag = media[i]!;
    assert.equal(tag.type, packet[0] === 'video' ? MediaType.video : MediaType.audio);
    assert.equal(tag.timestamp, Math.round(Number(packet[1]) * 1000));
    if (tag.type === MediaType.video) assert.equal(isKeyframe(tag.body), packet[2]!.startsWith('K'));
  }
});

test('the fixture is what its README says: it loops without a seam', () => {
  const tags = readTags(fixture);
  assert.equal(tags[0]!.type, MediaType.script);
  const headers = tags.filter((tag) => isSequenceHeader(tag.type, tag.body));
  assert.deepEqual(headers.map((tag) => tag.type).sort(), [MediaType.audio, MediaType.video]);
  const video = tags.filter((tag) => tag.type === MediaType.video && !isSequenceHeader(tag.type, tag.body));
  assert.deepEqual(
    video.map((tag) => tag.timestamp),
    Array.from({ length: 250 }, (_, i) => i * 40),
  );
  assert.deepEqual(
    video.map((tag) => isKeyframe(tag.body)),
    Array.from({ length: 250 }, (_, i) => i % 25 === 0),
  );
  assert.ok(video.every((tag) => compositionTime(tag.body) === 0));
  const audio = tags.filter((tag) => tag.type === MediaType.audio && !isSequenceHeader(tag.type, tag.body));
  assert.equal(audio.length, 431);
  assert.ok(audio.at(-1)!.timestamp < 10_000);
  assert.ok(Math.abs((fixture.length * 8) / 10 - 480_000) < 2400, 'within 0.5 % of 480 kbit/s');
});

test('what the reader took apart, the writer puts together byte for byte', () => {
  const rewritten = concat([
    flvHeader({ audio: true, video: true }),
    ...readTags(fixture).map((tag) => encodeTag(tag.type, tag.timestamp, tag.body)),
  ]);
  assert.ok(Buffer.from(rewritten).equals(fixture));
});

test('header and size around a body are the same bytes as the whole tag', () => {
  const body = Uint8Array.of(1, 2, 3);
  assert.deepEqual(
    concat([encodeTagHeader(9, 0x12345678, 3), body, encodePreviousTagSize(3)]),
    encodeTag(9, 0x12345678, body),
  );
  assert.deepEqual(
    [...encodeTag(9, 0x12345678, body)],
    [9, 0, 0, 3, 0x34, 0x56, 0x78, 0x12, 0, 0, 0, 1, 2, 3, 0, 0, 0, 14],
  );
});

test('a DataOffset above 9 is skipped to', () => {
  const bytes = concat([
    Uint8Array.of(0x46, 0x4c, 0x56, 1, 1, 0, 0, 0, 12, 7, 7, 7, 0, 0, 0, 0),
    encodeTag(9, 5, new Uint8Array(2)),
  ]);
  const collector = new TagCollector();
  const reader = new FlvReader(collector);
  for (let at = 0; at < bytes.length; at++) reader.push(bytes, at, at + 1);
  assert.deepEqual(collector.tags, [{ type: 9, timestamp: 5, body: new Uint8Array(2) }]);
});

test('each malformed input has its own code', () => {
  const header = flvHeader({ audio: true, video: true });
  const tag = encodeTag(MediaType.video, 0, Uint8Array.of(1, 2, 3));
  const changed = (at: number, value: number): Uint8Array => {
    const bytes = concat([header, tag]);
    bytes[at] = value;
    return bytes;
  };
  assert.equal(codeOf(concat([header, tag])), undefined);
  assert.equal(codeOf(Buffer.from('HTTP/1.1 404')), ProtocolErrorCode.FlvSignature);
  assert.equal(codeOf(Buffer.from('H')), ProtocolErrorCode.FlvSignature, 'at its first byte');
  assert.equal(codeOf(changed(3, 2)), ProtocolErrorCode.FlvSignature);
  assert.equal(codeOf(changed(8, 8)), ProtocolErrorCode.FlvHeader);
  assert.equal(codeOf(changed(5, 1)), ProtocolErrorCode.FlvHeader);
  assert.equal(codeOf(changed(12, 1)), ProtocolErrorCode.FlvPreviousTagSize);
  assert.equal(codeOf(changed(13, 10)), ProtocolErrorCode.FlvTag);
  assert.equal(codeOf(changed(13, 9 | 0x20)), ProtocolErrorCode.FlvTag, 'filtered');
  assert.equal(codeOf(changed(23, 1)), ProtocolErrorCode.FlvTag, 'StreamID');
  assert.equal(codeOf(changed(header.length + tag.length - 1, 15)), ProtocolErrorCode.FlvPreviousTagSize);
  assert.equal(codeOf(concat([header, tag]), { maxTagSize: 2 }), ProtocolErrorCode.FlvTag);
});

test('a file that was cut off is not at a tag boundary', () => {
  const bytes = concat([flvHeader({ audio: true, video: true }), encodeTag(9, 0, Uint8Array.of(1, 2, 3))]);
  for (let length = 0; length < bytes.length; length++) {
    const reader = new FlvReader(new TagCollector());
    reader.push(bytes, 0, length);
    assert.equal(reader.atTagBoundary, length === 13, `after ${length} bytes`);
  }
});

test('damage gives a ProtocolError or other tags, never anything else', () => {
  const head = fixture.subarray(0, 20_000);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(head.length - 1), fc.nat(255)), { minLength: 1, maxLength: 20 }),
      fc.array(fc.nat(), { maxLength: 8 }),
      (damage, cuts) => {
        const bytes = head.slice();
        for (const [at, value] of damage) bytes[at] = value;
        const reader = new FlvReader(new TagCollector());
        try {
          pushInPieces(bytes, cuts, (piece, start, end) => reader.push(piece, start, end));
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error));
        }
      },
    ),
    { numRuns: 200 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (garbage) => {
      codeOf(garbage);
      codeOf(concat([flvHeader({ audio: true, video: true }), garbage]));
    }),
  );
});
