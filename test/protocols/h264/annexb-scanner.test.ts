import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { isSequenceHeader } from '../../../protocols/flv/body.ts';
import { splitAnnexB } from '../../../protocols/h264/annexb.ts';
import { AnnexBScanner } from '../../../protocols/h264/annexb-scanner.ts';
import { avccToAnnexB, joinAvcc } from '../../../protocols/h264/avcc.ts';
import {
  AccessUnitScanner,
  encodeStamp,
  insertStamp,
  type StampedUnit,
} from '../../../protocols/h264/stamp.ts';
import { MediaType } from '../../../protocols/media.ts';
import { pushInPieces, readTags } from '../flv/collect.ts';

const fixture = readTags(
  new Uint8Array(readFileSync(new URL('../../../fixtures/media/av-480k.flv', import.meta.url))),
);
const frames = fixture
  .filter((tag) => tag.type === MediaType.video && !isSequenceHeader(MediaType.video, tag.body))
  .map((tag) => tag.body);
const CLOCK = 1_795_200_644_123.456;

function scan(unit: Uint8Array, cuts: readonly number[] = [], scanner = new AnnexBScanner()): AnnexBScanner {
  scanner.begin();
  pushInPieces(unit, cuts, (piece, start, end) => scanner.data(piece, start, end));
  scanner.end();
  return scanner;
}

function summary(scanner: StampedUnit): Record<string, unknown> {
  const { keyframe, config, stamped, intact, malformed, stream, frame, sentAt, compositionTime } = scanner;
  return { keyframe, config, stamped, intact, malformed, stream, frame, sentAt, compositionTime };
}

const code = [0, 0, 1];
const long = [0, 0, 0, 1];
const slice = (...bytes: number[]): Uint8Array => Uint8Array.of(0x41, 0x9a, ...bytes);
const stampOf = (...slices: Uint8Array[]): Uint8Array =>
  encodeStamp({ stream: 1, frame: 2, sentAt: CLOCK }, slices);
/** NAL units behind start codes of 3 and 4 bytes, in turn. */
const unitOf = (...nals: Uint8Array[]): Uint8Array =>
  Uint8Array.from(nals.flatMap((nal, i) => [...(i % 2 === 0 ? long : code), ...nal]));
const AUD = Uint8Array.of(9, 0xf0);
const SPS = Uint8Array.of(0x67, 66, 0xc0, 30);
const PPS = Uint8Array.of(0x68, 0xce);

test('every frame of the fixture: the same as AccessUnitScanner reads from AVCC, one scanner for all', () => {
  const scanner = new AnnexBScanner();
  const avcc = new AccessUnitScanner();
  for (const [i, body] of frames.entries()) {
    const stamped = insertStamp(body, { stream: 7, frame: i, sentAt: CLOCK + i * 40 });
    const unit = avccToAnnexB(stamped.subarray(5));
    const cuts = Array.from({ length: Math.floor(unit.length / 184) }, (_, k) => (k + 1) * 184 - (i % 184));
    avcc.begin(stamped.length);
    avcc.data(stamped, 0, stamped.length);
    avcc.end();
    assert.equal(avcc.intact, true);
    assert.deepEqual(summary(scan(unit, cuts, scanner)), summary(avcc), `frame ${i}`);
  }
});

test('split in any way it reads the same', () => {
  const stamped = insertStamp(frames[25]!, { stream: 0xffffffff, frame: 0xfffffffe, sentAt: CLOCK });
  const unit = Uint8Array.of(0, ...unitOf(AUD, SPS, PPS), ...avccToAnnexB(stamped.subarray(5)), 0, 0, 0);
  const whole = summary(scan(unit));
  assert.deepEqual(
    [whole.intact, whole.keyframe, whole.stream, whole.frame],
    [true, true, 0xffffffff, 0xfffffffe],
  );
  assert.deepEqual(summary(scan(unit, Array.from(unit.keys()))), whole, 'byte by byte');
  for (let cut = 0; cut < 200; cut++) assert.deepEqual(summary(scan(unit, [cut])), whole, `cut at ${cut}`);
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 50 }), (cuts) => {
      assert.deepEqual(summary(scan(unit, cuts)), whole);
    }),
  );
});

/** Bytes in which start codes, and what is nearly one, are frequent. */
const zeroish = fc.array(
  fc.oneof(
    fc.constantFrom([0, 0, 1], [0, 0, 0, 1], [0, 0, 0], [0], [1], [0, 0, 3], [0x41], [0x65], [6], [9]),
    fc.array(fc.nat(255), { maxLength: 5 }),
  ),
  { maxLength: 30 },
);

test('in any bytes, at any split, it finds the NAL units that splitAnnexB finds', () => {
  fc.assert(
    fc.property(zeroish, fc.array(fc.nat(), { maxLength: 12 }), (parts, cuts) => {
      // A stamp first, so that everything that is a slice behind it goes into the checksum.
      const rest = Uint8Array.from([...code, ...parts.flat()]);
      const slices = splitAnnexB(rest).filter((nal) => (nal[0]! & 31) >= 1 && (nal[0]! & 31) <= 5);
      const unit = Uint8Array.of(...code, ...stampOf(...slices), ...rest);
      const scanner = scan(unit, cuts);
      assert.equal(scanner.stamped, true);
      assert.equal(
        scanner.keyframe,
        slices.some((nal) => (nal[0]! & 31) === 5),
      );
      assert.equal(scanner.intact, slices.length > 0 && !scanner.malformed);
      assert.deepEqual(summary(scanner), summary(scan(unit)));
    }),
    { numRuns: 1000 },
  );
});

test('zeros: many of them are part of a slice before other bytes, and of nothing before a start code', () => {
  const inside = slice(...new Array(300).fill(0), 5);
  const unit = Uint8Array.of(
    ...unitOf(AUD, stampOf(inside), inside),
    ...new Array(300).fill(0),
    ...code,
    12,
    0x80,
  );
  for (const cuts of [[], Array.from(unit.keys()), [200, 201, 350]]) {
    assert.equal(scan(unit, cuts).intact, true, String(cuts.length));
  }
});

test('damage in the stamp or in a slice shows, also a slice lost or in another place', () => {
  const [first, second] = [slice(1, 2, 3, 4, 5), slice(6, 7)];
  const stamp = stampOf(first, second);
  assert.equal(scan(unitOf(AUD, stamp, first, SPS, second)).intact, true, 'other NAL units do not count');
  const unit = unitOf(stamp, first, second);
  for (let at = 4; at < unit.length; at++) {
    if (at >= 4 + 59 && at < 4 + 59 + 3) continue;
    unit[at]! ^= 0x20;
    assert.equal(scan(unit).intact, false, `byte ${at}`);
    unit[at]! ^= 0x20;
  }
  for (const nals of [[stamp, first], [stamp, second, first], [stamp, first, second, second], [stamp]]) {
    assert.deepEqual([scan(unitOf(...nals)).stamped, scan(unitOf(...nals)).intact], [true, false]);
  }
  assert.equal(scan(unitOf(first, stamp, second)).stamped, false, 'behind a slice');
  const other = stamp.slice();
  other[18]! ^= 1;
  assert.equal(scan(unitOf(other, first)).stamped, false, 'another UUID');
  assert.equal(scan(unitOf(Uint8Array.of(...stamp, 1), first)).stamped, false, 'longer');
  assert.equal(scan(unitOf(stamp.subarray(0, 58), first)).stamped, false, 'shorter');
});

test('an access unit without a slice is no picture; malformed ones are known', () => {
  const rows: [Uint8Array, { config: boolean; keyframe: boolean; malformed: boolean }][] = [
    [unitOf(AUD, SPS, PPS), { config: true, keyframe: false, malformed: false }],
    [new Uint8Array(0), { config: true, keyframe: false, malformed: false }],
    [new Uint8Array(9), { config: true, keyframe: false, malformed: false }],
    [unitOf(slice(1)), { config: false, keyframe: false, malformed: false }],
    [unitOf(AUD, Uint8Array.of(0x65, 1)), { config: false, keyframe: true, malformed: false }],
    [Uint8Array.of(5, ...unitOf(slice(1))), { config: false, keyframe: false, malformed: true }],
    [Uint8Array.of(1, 2, 3), { config: false, keyframe: false, malformed: true }],
    [Uint8Array.of(...code, ...unitOf(slice(1))), { config: false, keyframe: false, malformed: true }],
    [Uint8Array.of(...unitOf(slice(1)), ...code), { config: false, keyframe: false, malformed: true }],
  ];
  for (const [unit, expected] of rows) {
    for (const cuts of [[], Array.from(unit.keys())]) {
      const { config, keyframe, malformed, intact } = scan(unit, cuts);
      assert.deepEqual({ config, keyframe, malformed }, expected, String(unit));
      assert.equal(intact, false);
    }
  }
});

test('after any garbage the next access unit reads as if nothing had been', () => {
  const scanner = new AnnexBScanner();
  const good = unitOf(AUD, stampOf(slice(1, 2)), slice(1, 2));
  const expected = summary(scan(good));
  assert.equal(expected.intact, true);
  fc.assert(
    fc.property(zeroish, fc.array(fc.nat(), { maxLength: 8 }), (parts, cuts) => {
      scan(Uint8Array.from(parts.flat()), cuts, scanner);
      assert.deepEqual(summary(scan(good, cuts, scanner)), expected);
    }),
    { numRuns: 300 },
  );
});

test('AVCC and Annex B of the same NAL units have the same verdict', () => {
  const first = slice(1, 2, 3);
  for (const nals of [
    [stampOf(first), first],
    [stampOf(first), slice(1, 2, 4)],
    [first],
    [AUD, stampOf(), first],
  ]) {
    const body = Uint8Array.of(0x27, 1, 0, 0, 0, ...joinAvcc(nals));
    const avcc = new AccessUnitScanner();
    avcc.begin(body.length);
    avcc.data(body, 0, body.length);
    avcc.end();
    assert.deepEqual(summary(scan(unitOf(...nals))), summary(avcc));
  }
});
