import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProtocolErrorCode } from '../../../protocols/errors.ts';
import { joinAnnexB, splitAnnexB } from '../../../protocols/h264/annexb.ts';
import { joinAvcc } from '../../../protocols/h264/avcc.ts';
import { nalType } from '../../../protocols/h264/nal.ts';
import type { AvcConfig } from '../../../protocols/h264/parameter-sets.ts';
import { insertStamp, isStamp } from '../../../protocols/h264/stamp.ts';
import { adtsOfAac, annexBOfAvcc } from '../../../protocols/mpegts/from-flv.ts';
import { TS_PACKET_SIZE } from '../../../protocols/mpegts/reader.ts';
import { TsWriter } from '../../../protocols/mpegts/writer.ts';
import { counts, readTs } from './collect.ts';

const join = (list: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(list));

test('payloads of any length come back, in whole packets, with continuity over all calls', () => {
  const writer = new TsWriter();
  const parts = [writer.tables()];
  const sent: [number, Uint8Array][] = [];
  for (let size = 1; size < 600; size++) {
    const payload = new Uint8Array(size).fill(size);
    const key = size % 7 === 0;
    parts.push(
      size % 2 === 0
        ? writer.audio(payload, size)
        : writer.video(payload, size * 90 + (size % 3), size * 90, key),
    );
    if (size % 50 === 0) parts.push(writer.tables());
    sent.push([size % 2 === 0 ? 0x101 : 0x100, payload]);
  }
  assert.ok(parts.every((part) => part.length > 0 && part.length % TS_PACKET_SIZE === 0));
  const { seen, reader } = readTs(join(parts));
  assert.deepEqual(
    seen.pes.map(({ pid, payload }) => [pid, payload]),
    sent,
  );
  assert.deepEqual([counts(reader), seen.faults, seen.programs], [{}, [], ['256:27 257:15']]);
  for (const { pid, payload, pts, dts, randomAccess, pcr } of seen.pes.filter(({ pid }) => pid === 0x100)) {
    const size = payload.length;
    assert.deepEqual(
      { pts, dts, randomAccess, pcr, pid },
      { pts: size * 90 + (size % 3), dts: size * 90, randomAccess: size % 7 === 0, pcr: size * 90, pid },
    );
  }
});

test('any payloads, at any split of what was written', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 1000 }), fc.maxSafeNat()), { minLength: 1 }),
      fc.array(fc.nat(), { maxLength: 8 }),
      (units, cuts) => {
        const writer = new TsWriter({ pids: { pmt: 32, video: 33, audio: 8190 }, program: 9 });
        const parts = units.map(([unit, time]) => writer.video(unit, time, time, false));
        const { seen } = readTs(join([writer.tables(), ...parts]), cuts);
        assert.deepEqual(
          seen.pes.map(({ payload, pts, dts }) => [payload, pts, dts]),
          units.map(([unit, time]) => [unit, time % 2 ** 33, time % 2 ** 33]),
        );
      },
    ),
    { numRuns: 60 },
  );
});

test('a video of more than 65535 bytes has no PES_packet_length; audio of that length is refused', () => {
  const writer = new TsWriter();
  for (const size of [65_526, 65_527, 65_528, 200_000]) {
    const unit = new Uint8Array(size).fill(3);
    const bytes = join([writer.tables(), writer.video(unit, 0, 0, true), writer.video(unit, 90, 0, false)]);
    assert.deepEqual(
      readTs(bytes).seen.pes.map(({ payload }) => payload.length),
      [size, size],
    );
  }
  assert.equal(writer.audio(new Uint8Array(65_527), 0).length % TS_PACKET_SIZE, 0);
  assert.throws(() => writer.audio(new Uint8Array(65_528), 0), RangeError);
});

test('the PMT names the streams that are there; without video the PCR is in the audio', () => {
  const writer = new TsWriter();
  const adts = adtsOfAac(Uint8Array.of(0xaf, 1, 7), Uint8Array.of(0x12, 0x10));
  const bytes = join([writer.tables({ video: false, audio: true }), writer.audio(adts, 900)]);
  const { seen } = readTs(bytes);
  assert.deepEqual([seen.programs, seen.pes[0]!.pcr], [['257:15'], 900]);
  const video = new TsWriter({ streams: { video: true, audio: false } });
  assert.deepEqual(readTs(video.tables()).seen.programs, ['256:27']);
});

const SPS = Uint8Array.of(0x67, 66, 0xc0, 30);
const PPS = Uint8Array.of(0x68, 0xce);
const config: AvcConfig = {
  ...{ profile: 66, compatibility: 0xc0, level: 30 },
  ...{ lengthSize: 4, sps: [SPS], pps: [PPS] },
};
const AUD = Uint8Array.of(9, 0x10);
const slice = Uint8Array.of(0x65, 0x88, 1, 2);

test('an AVC body becomes a byte stream: delimiter, parameter sets, stamp, slices', () => {
  const types = (nals: Uint8Array[], withSets: boolean): (number | 'stamp')[] => {
    const body = Uint8Array.of(0x17, 1, 0, 0, 0, ...joinAvcc(nals));
    const stamped = insertStamp(body, { stream: 1, frame: 1, sentAt: 1 });
    const unit = annexBOfAvcc(stamped, config, withSets);
    const split = splitAnnexB(unit);
    assert.deepEqual(joinAnnexB(split), unit);
    return split.map((nal) => (isStamp(nal) ? 'stamp' : nalType(nal[0]!)));
  };
  assert.deepEqual(types([slice], true), [9, 7, 8, 'stamp', 5]);
  assert.deepEqual(types([slice, slice], false), [9, 'stamp', 5, 5]);
  assert.deepEqual(types([AUD, slice], true), [9, 7, 8, 'stamp', 5], 'one delimiter');
  assert.deepEqual(types([SPS, PPS, slice], true), [9, 7, 8, 'stamp', 5], 'sets once');
  assert.deepEqual(
    annexBOfAvcc(new Uint8Array(0), config, false),
    Uint8Array.of(0, 0, 0, 1, 9, 0xf0),
    'nothing but the delimiter',
  );
  assert.throws(() => annexBOfAvcc(Uint8Array.of(0x17, 1, 0, 0, 0, 0, 0, 0, 9, 1), config, true), {
    code: ProtocolErrorCode.NalLength,
  });
});

test('lengths of one and two bytes', () => {
  for (const lengthSize of [1, 2] as const) {
    const body = Uint8Array.of(0x17, 1, 0, 0, 0, ...joinAvcc([slice], lengthSize));
    const unit = annexBOfAvcc(body, { ...config, lengthSize }, false);
    assert.deepEqual(splitAnnexB(unit).at(-1), slice);
  }
});

test('the ADTS header says what the AudioSpecificConfig says', () => {
  const header = (...asc: number[]): number[] =>
    [...adtsOfAac(Uint8Array.of(0xaf, 1, 1, 2, 3), Uint8Array.of(...asc))].slice(0, 7);
  // AAC-LC, 44.1 kHz (index 4), stereo, 10 bytes.
  assert.deepEqual(header(0x12, 0x10), [0xff, 0xf1, 0x50, 0x80, 0x01, 0x5f, 0xfc]);
  // 48 kHz (index 3), 5.1 (6).
  assert.deepEqual(header(0x11, 0xb0), [0xff, 0xf1, 0x4d, 0x80, 0x01, 0x5f, 0xfc]);
  // HE-AAC: SBR (5), 22.05 kHz (index 7), stereo, extension 44.1 kHz: the AAC-LC in it.
  assert.deepEqual(header(0x2b, 0x92, 0x08), [0xff, 0xf1, 0x5c, 0x80, 0x01, 0x5f, 0xfc]);
  for (const asc of [[0x12], [], [0x17, 0x90], [0x12, 0x00], [0xf8, 0x10], [0x02, 0x10], [0x12, 0x48]]) {
    assert.throws(() => header(...asc), { code: ProtocolErrorCode.AacConfig }, String(asc));
  }
  const longest = new Uint8Array(2 + 8191 - 7);
  assert.equal(adtsOfAac(longest, Uint8Array.of(0x12, 0x10)).length, 8191);
  assert.throws(() => adtsOfAac(new Uint8Array(longest.length + 1), Uint8Array.of(0x12, 0x10)), {
    code: ProtocolErrorCode.AacConfig,
  });
});
