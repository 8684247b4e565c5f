import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from '../../../protocols/errors.ts';
import { isKeyframe, isSequenceHeader } from '../../../protocols/flv/body.ts';
import { joinAvcc, splitAvcc } from '../../../protocols/h264/avcc.ts';
import { Checksum } from '../../../protocols/h264/checksum.ts';
import {
  AccessUnitScanner,
  encodeStamp,
  insertStamp,
  isStamp,
  STAMP_SIZE,
  STAMP_UUID,
  StampTemplate,
} from '../../../protocols/h264/stamp.ts';
import { MediaType } from '../../../protocols/media.ts';
import { pushInPieces, readTags } from '../flv/collect.ts';

const fixture = readTags(
  new Uint8Array(readFileSync(new URL('../../../fixtures/media/av-480k.flv', import.meta.url))),
);
const video = fixture.filter((tag) => tag.type === MediaType.video);
const config = video.find((tag) => isSequenceHeader(MediaType.video, tag.body))!.body;
const frames = video.filter((tag) => !isSequenceHeader(MediaType.video, tag.body)).map((tag) => tag.body);

/** 2026-11-20T18:50:44.123456Z in milliseconds. */
const CLOCK = 1_795_200_644_123.456;

function scan(
  body: Uint8Array,
  cuts: readonly number[] = [],
  scanner = new AccessUnitScanner(),
): AccessUnitScanner {
  scanner.begin(body.length);
  pushInPieces(body, cuts, (piece, start, end) => scanner.data(piece, start, end));
  scanner.end();
  return scanner;
}

function summary(scanner: AccessUnitScanner): Record<string, unknown> {
  const { keyframe, config, stamped, intact, malformed, stream, frame, sentAt, compositionTime } = scanner;
  return { keyframe, config, stamped, intact, malformed, stream, frame, sentAt, compositionTime };
}

const header = [0x27, 1, 0, 0, 0];
/** An FLV body of these NAL units. */
function bodyOf(nals: readonly Uint8Array[], lengthSize: 1 | 2 | 4 = 4): Uint8Array {
  return Uint8Array.of(...header, ...joinAvcc(nals, lengthSize));
}
const slice = (...bytes: number[]): Uint8Array => Uint8Array.of(0x41, 0x9a, ...bytes);
const AUD = Uint8Array.of(9, 0xf0);
const SPS = Uint8Array.of(0x67, 66, 0xc0, 30);
const PPS = Uint8Array.of(0x68, 0xce);
const SEI = Uint8Array.of(6, 5, 1, 0xaa, 0x80);

test('the bytes of a stamp are what the format says', () => {
  const nal = encodeStamp({ stream: 0xdeadbeef, frame: 42, sentAt: CLOCK }, [slice(1, 2, 3)]);
  assert.equal(nal.length, 59);
  assert.deepEqual([...nal.subarray(0, 3)], [6, 5, 55]);
  assert.deepEqual(nal.subarray(3, 19), STAMP_UUID);
  assert.equal(nal[58], 0x80);
  const text = Buffer.from(nal.subarray(19, 58)).toString('latin1');
  assert.match(text, /^1deadbeef0000002a[0-9a-f]{14}[0-9a-f]{8}$/);
  assert.equal(Number.parseInt(text.slice(17, 31), 16), 1_795_200_644_123_456);
  assert.ok(!nal.includes(0), 'no zero byte: nothing to escape');
  assert.equal(isStamp(nal), true);
  assert.equal(isStamp(nal.subarray(1)), false);
});

test('every frame of the fixture: stamped, read back at any split, one scanner for all', () => {
  const scanner = new AccessUnitScanner();
  for (const [i, body] of frames.entries()) {
    const stamped = insertStamp(body, { stream: 7, frame: i, sentAt: CLOCK + i * 40 });
    assert.equal(stamped.length, body.length + 4 + STAMP_SIZE);
    const cuts = Array.from({ length: i % 90 }, (_, k) => 5 + k * ((i % 3) + 1));
    assert.deepEqual(summary(scan(stamped, cuts, scanner)), {
      keyframe: i % 25 === 0,
      config: false,
      stamped: true,
      intact: true,
      malformed: false,
      stream: 7,
      frame: i,
      sentAt: Math.round((CLOCK + i * 40) * 1000) / 1000,
      compositionTime: 0,
    });
  }
});

test('split in any way it reads the same', () => {
  const stamped = insertStamp(frames[25]!, { stream: 0xffffffff, frame: 0xfffffffe, sentAt: CLOCK });
  const whole = summary(scan(stamped));
  assert.equal(whole.intact, true);
  assert.equal(whole.stream, 0xffffffff);
  assert.equal(whole.frame, 0xfffffffe);
  assert.deepEqual(summary(scan(stamped, Array.from(stamped.keys()))), whole, 'byte by byte');
  for (let cut = 0; cut < 200; cut++) assert.deepEqual(summary(scan(stamped, [cut])), whole, `cut at ${cut}`);
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 50 }), (cuts) => {
      assert.deepEqual(summary(scan(stamped, cuts)), whole);
    }),
  );
});

test('a template stamps one frame many times over, for several streams', () => {
  const template = StampTemplate.of(frames[3]!)!;
  for (let i = 0; i < 20; i++) {
    const body = template.write(i % 4, i, CLOCK + i);
    assert.deepEqual(body, insertStamp(frames[3]!, { stream: i % 4, frame: i, sentAt: CLOCK + i }));
    assert.equal(scan(body).intact, true);
  }
  assert.equal(template.keyframe, false);
  assert.equal(StampTemplate.of(frames[25]!)!.keyframe, true);
});

test('the stamp stands behind delimiter and parameter sets and before the first slice', () => {
  const types = (nals: Uint8Array[]): (number | 'stamp')[] =>
    splitAvcc(insertStamp(bodyOf(nals), { stream: 1, frame: 1, sentAt: CLOCK }), 5).map((nal) =>
      isStamp(nal) ? 'stamp' : nal[0]! & 0x1f,
    );
  assert.deepEqual(types([slice(1)]), ['stamp', 1]);
  assert.deepEqual(types([AUD, SPS, PPS, SEI, slice(1), slice(2)]), [9, 7, 8, 'stamp', 6, 1, 1]);
  assert.deepEqual(types([SEI, SPS, PPS, slice(1)]), [6, 7, 8, 'stamp', 1]);
  assert.deepEqual(types([AUD, SEI, slice(1)]), [9, 'stamp', 6, 1]);
  assert.deepEqual(
    types([slice(1), PPS, slice(2)]),
    ['stamp', 1, 8, 1],
    'parameter sets behind a slice do not count',
  );
});

test('a frame that is stamped already gets the new stamp in place of the old one', () => {
  const once = insertStamp(frames[0]!, { stream: 1, frame: 1, sentAt: CLOCK });
  const twice = insertStamp(once, { stream: 2, frame: 9, sentAt: CLOCK });
  assert.deepEqual(twice, insertStamp(frames[0]!, { stream: 2, frame: 9, sentAt: CLOCK }));
});

test('what cannot be stamped comes back as it is', () => {
  const bodies = [
    config,
    Uint8Array.of(0x17, 2, 0, 0, 0),
    Uint8Array.of(0x22, 1, 2, 3),
    Uint8Array.of(0x91, 0x68, 0x76, 0x63, 0x31, 0, 0, 0, 1, 2),
    bodyOf([SPS, PPS]),
    new Uint8Array(0),
  ];
  for (const body of bodies) {
    assert.equal(insertStamp(body, { stream: 1, frame: 1, sentAt: CLOCK }), body);
    assert.equal(scan(body).stamped, false);
  }
  assert.throws(
    () => insertStamp(Uint8Array.of(...header, 0, 0, 0, 9, 1), { stream: 1, frame: 1, sentAt: 0 }),
    ProtocolError,
  );
  assert.throws(() => insertStamp(Uint8Array.of(0x27, 1), { stream: 1, frame: 1, sentAt: 0 }), ProtocolError);
});

test('sequence headers, other codecs and Enhanced RTMP are told apart', () => {
  const rows: [Uint8Array, { config: boolean; keyframe: boolean; malformed: boolean }][] = [
    [config, { config: true, keyframe: false, malformed: false }],
    [frames[0]!, { config: false, keyframe: true, malformed: false }],
    [frames[1]!, { config: false, keyframe: false, malformed: false }],
    [Uint8Array.of(0x17, 2, 0, 0, 0), { config: false, keyframe: false, malformed: false }],
    [Uint8Array.of(0x12, 7, 7), { config: false, keyframe: true, malformed: false }],
    [Uint8Array.of(0x1c, 0, 0, 0, 0, 1), { config: true, keyframe: false, malformed: false }],
    [Uint8Array.of(0x1c, 1, 0, 0, 0, 1), { config: false, keyframe: true, malformed: false }],
    [Uint8Array.of(0x90, 0x68, 0x76, 0x63, 0x31), { config: true, keyframe: false, malformed: false }],
    [Uint8Array.of(0x93, 0x68, 0x76, 0x63, 0x31), { config: false, keyframe: true, malformed: false }],
    [Uint8Array.of(0xa1, 0x68, 0x76, 0x63, 0x31), { config: false, keyframe: false, malformed: false }],
  ];
  for (const [body, expected] of rows) {
    const { config, keyframe, malformed, stamped } = scan(body);
    assert.deepEqual({ config, keyframe, malformed }, expected, String(body.subarray(0, 5)));
    assert.equal(config, isSequenceHeader(MediaType.video, body));
    assert.equal(keyframe, isKeyframe(body));
    assert.equal(stamped, false);
  }
});

test('composition time is read, signed', () => {
  const body = bodyOf([slice(1)]);
  body.set([0xff, 0xff, 0xd8], 2);
  assert.equal(scan(body).compositionTime, -40);
  body.set([0, 0, 80], 2);
  assert.equal(scan(body).compositionTime, 80);
});

test('damage anywhere in the stamp or in a slice shows', () => {
  const stamped = insertStamp(bodyOf([AUD, slice(1, 2, 3, 4, 5), SEI, slice(6, 7)]), {
    stream: 1,
    frame: 2,
    sentAt: CLOCK,
  });
  const whole = scan(stamped);
  assert.equal(whole.intact, true);
  const nals = splitAvcc(stamped, 5);
  const covered = nals.filter((nal) => isStamp(nal) || (nal[0]! & 0x1f) === 1);
  assert.equal(covered.length, 3);
  for (const nal of covered) {
    const begin = nal.byteOffset - stamped.byteOffset;
    for (let at = begin; at < begin + nal.length; at++) {
      for (const mask of [1, 0x20, 0x80]) {
        stamped[at]! ^= mask;
        assert.equal(scan(stamped).intact, false, `byte ${at} ^ ${mask}`);
        stamped[at]! ^= mask;
      }
    }
  }
});

test('what a server may add or move does not', () => {
  const body = insertStamp(bodyOf([slice(1, 2, 3)]), { stream: 1, frame: 2, sentAt: CLOCK });
  const [stamp, picture] = splitAvcc(body, 5) as [Uint8Array, Uint8Array];
  assert.equal(scan(bodyOf([AUD, stamp, SPS, PPS, picture])).intact, true, 'as SRS does for HLS');
  const filler = Uint8Array.of(12, 0xff, 0x80);
  assert.equal(scan(bodyOf([stamp, SEI, picture, filler])).intact, true);
});

test('a slice lost, added or in another order, or a stamp behind its slice, is not intact', () => {
  const body = insertStamp(bodyOf([slice(1, 2, 3), slice(4, 5, 6)]), { stream: 1, frame: 2, sentAt: CLOCK });
  const [stamp, first, second] = splitAvcc(body, 5) as [Uint8Array, Uint8Array, Uint8Array];
  assert.equal(scan(bodyOf([stamp, first, second])).intact, true);
  for (const nals of [[stamp, first], [stamp, second, first], [stamp, first, second, second], [stamp]]) {
    const scanner = scan(bodyOf(nals));
    assert.equal(scanner.stamped, true);
    assert.equal(scanner.intact, false);
  }
  assert.equal(scan(bodyOf([first, stamp, second])).stamped, false);
  const alone = encodeStamp({ stream: 1, frame: 2, sentAt: CLOCK }, []);
  assert.equal(scan(bodyOf([alone])).intact, false, 'a stamp on nothing');
});

test('another SEI of the same size is not a stamp', () => {
  const other = encodeStamp({ stream: 1, frame: 1, sentAt: CLOCK }, []);
  other[18]! ^= 1;
  assert.equal(scan(bodyOf([other, slice(1)])).stamped, false);
});

test('of two stamps the first one counts', () => {
  const [stamp, picture] = splitAvcc(
    insertStamp(bodyOf([slice(1)]), { stream: 1, frame: 2, sentAt: CLOCK }),
    5,
  ) as [Uint8Array, Uint8Array];
  const other = encodeStamp({ stream: 8, frame: 9, sentAt: CLOCK }, [picture]);
  const scanner = scan(bodyOf([stamp, other, picture]));
  assert.deepEqual([scanner.stream, scanner.frame, scanner.intact], [1, 2, true]);
});

test('a stamp of another version is not trusted, whatever its checksum', () => {
  const picture = slice(1);
  const stamp = encodeStamp({ stream: 1, frame: 2, sentAt: CLOCK }, [picture]);
  stamp[19] = '2'.charCodeAt(0);
  const checksum = new Checksum();
  checksum.update(stamp, 19, 50);
  checksum.update(picture, 0, picture.length);
  stamp.set(Buffer.from(checksum.digest().toString(16).padStart(8, '0')), 50);
  const scanner = scan(bodyOf([stamp, picture]));
  assert.deepEqual([scanner.stamped, scanner.intact], [true, false]);
});

test('lengths of one and two bytes', () => {
  for (const lengthSize of [1, 2] as const) {
    const body = insertStamp(
      bodyOf([AUD, slice(1)], lengthSize),
      { stream: 1, frame: 5, sentAt: CLOCK },
      lengthSize,
    );
    for (const cuts of [[], Array.from(body.keys())]) {
      const scanner = scan(body, cuts, new AccessUnitScanner({ lengthSize }));
      assert.equal(scanner.intact, true);
      assert.equal(scanner.frame, 5);
    }
  }
});

test('a body that ends too early or claims too much is malformed and never intact', () => {
  const stamped = insertStamp(frames[1]!, { stream: 1, frame: 1, sentAt: CLOCK });
  const stampEnd = 5 + 4 + STAMP_SIZE;
  for (let length = 0; length < stamped.length; length++) {
    const scanner = scan(stamped.subarray(0, length));
    const whole = length === 5 || length === stampEnd;
    assert.equal(scanner.malformed, !whole, `cut to ${length} bytes`);
    assert.equal(scanner.intact, false);
  }
  const empty = scan(Uint8Array.of(...header, 0, 0, 0, 0));
  assert.equal(empty.malformed, true);
  const emptyBetween = Uint8Array.of(
    ...stamped.subarray(0, stampEnd),
    0,
    0,
    0,
    0,
    ...stamped.subarray(stampEnd),
  );
  assert.deepEqual([scan(emptyBetween).malformed, scan(emptyBetween).intact], [true, false]);
  const trailing = scan(Uint8Array.of(...stamped, 0, 0));
  assert.deepEqual([trailing.stamped, trailing.malformed, trailing.intact], [true, true, false]);
  const huge = scan(Uint8Array.of(...header, 0xff, 0xff, 0xff, 0xff, 1, 2, 3));
  assert.equal(huge.malformed, true);
  const early = new AccessUnitScanner();
  early.begin(stamped.length);
  early.data(stamped, 0, stamped.length - 1);
  early.end();
  assert.deepEqual([early.malformed, early.intact], [true, false], 'less data than announced');
});

test('after any garbage the next frame reads as if nothing had been', () => {
  const scanner = new AccessUnitScanner();
  const good = insertStamp(frames[2]!, { stream: 3, frame: 4, sentAt: CLOCK });
  const expected = summary(scan(good));
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 100 }),
        fc.uint8Array({ maxLength: 100 }).map((bytes) => Uint8Array.of(...header, 0, 0, 0, 59, 6, ...bytes)),
        fc.tuple(fc.nat(300), fc.nat(255)).map(([at, value]) => {
          const bytes = good.slice();
          bytes[at] = value;
          return bytes;
        }),
      ),
      fc.array(fc.nat(), { maxLength: 8 }),
      (garbage, cuts) => {
        scan(garbage, cuts, scanner);
        assert.deepEqual(summary(scan(good, cuts, scanner)), expected);
      },
    ),
    { numRuns: 300 },
  );
});
