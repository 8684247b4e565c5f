import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError, ProtocolErrorCode } from '../../../protocols/errors.ts';
import { AnnexBScanner } from '../../../protocols/h264/annexb-scanner.ts';
import { MediaType, UNKNOWN_LENGTH } from '../../../protocols/media.ts';
import { TsMediaReader } from '../../../protocols/mpegts/media.ts';
import { crc32, encodePmt, StreamType } from '../../../protocols/mpegts/psi.ts';
import { TsReader } from '../../../protocols/mpegts/reader.ts';
import { TsWriter } from '../../../protocols/mpegts/writer.ts';
import { pushInPieces } from '../flv/collect.ts';
import {
  BodyCollector,
  CLOCK,
  capture,
  counts,
  muxTs,
  PesCollector,
  readTs,
  splitAdts,
  stampedTags,
} from './collect.ts';

const SIZE = 188;
const segment = capture('srs-7.0.18/hls-segment.ts.bin');
/** Two seconds of the fixture, stamped, with tables at both keyframes. */
const stream = muxTs(stampedTags().filter((tag) => tag.timestamp < 2000));

/** Packets as copies that can be changed. */
function packets(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: bytes.length / SIZE }, (_, i) => bytes.slice(i * SIZE, (i + 1) * SIZE));
}

const pidOf = (packet: Uint8Array): number => ((packet[1]! & 0x1f) << 8) | packet[2]!;
const join = (list: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(list));

function codeOf(bytes: Uint8Array, cuts: readonly number[] = [], limits = {}): string {
  try {
    readTs(bytes, cuts, limits);
    return 'none';
  } catch (error) {
    assert.ok(error instanceof ProtocolError, String(error));
    return error.code;
  }
}

/** A packet of one payload, filled up with an adaptation field. */
function packet(pid: number, counter: number, unitStart: boolean, payload: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(SIZE).fill(0xff);
  const field = SIZE - 4 - payload.length;
  bytes.set([0x47, (unitStart ? 0x40 : 0) | (pid >> 8), pid & 0xff, (field > 0 ? 0x30 : 0x10) | counter]);
  if (field > 0) bytes[4] = field - 1;
  if (field > 1) bytes[5] = 0;
  bytes.set(payload, SIZE - payload.length);
  return bytes;
}

const VIDEO = 0x100;
const AUDIO = 0x101;
const PMT = 0x1001;
const tables = new TsWriter().tables();
/** PES header of a video; PES_packet_length as given, a PTS below 2^15. */
const pesHeader = (length: number, pts = 0): number[] => [
  ...[0, 0, 1, 0xe0, length >> 8, length & 0xff],
  ...[0x80, 0x80, 5, 0x21, 0, 1, pts >> 7, ((pts << 1) & 0xff) | 1],
];

test('a segment of SRS has the frames that ffprobe counts in it, whole and in order', () => {
  const { seen, reader } = readTs(segment);
  assert.deepEqual(seen.programs, ['257:15 256:27']);
  const video = seen.of(StreamType.h264);
  const audio = seen.of(StreamType.adts);
  assert.deepEqual([video.length, reader.packets, counts(reader), seen.faults], [50, 325, {}, []]);
  assert.equal(
    audio.flatMap(({ payload }) => splitAdts(payload)).length,
    86,
    'every ADTS frame is in one PES packet',
  );
  assert.deepEqual(
    video.map(({ dts }) => dts / 90),
    Array.from({ length: 50 }, (_, i) => 12_032 + 40 * i),
  );
  assert.ok(
    video.every(({ randomAccess }) => !randomAccess),
    'SRS does not set it',
  );
  const scanner = new AnnexBScanner();
  const keys = video.flatMap(({ payload }, i) => {
    scanner.begin();
    scanner.data(payload, 0, payload.length);
    scanner.end();
    assert.deepEqual([scanner.malformed, scanner.config], [false, false]);
    return scanner.keyframe ? [i] : [];
  });
  assert.deepEqual(keys, [0, 25]);
});

test('split in any way it reads the same', () => {
  for (const bytes of [segment, stream]) {
    const whole = readTs(bytes);
    const same = (cuts: readonly number[]): void => {
      const { seen, reader } = readTs(bytes, cuts);
      assert.deepEqual(seen.pes, whole.seen.pes);
      assert.deepEqual([seen.faults, counts(reader)], [[], {}]);
    };
    assert.ok(whole.seen.pes.length > 80);
    same(Array.from({ length: bytes.length }, (_, i) => i));
    fc.assert(fc.property(fc.array(fc.nat(), { maxLength: 100 }), same), { numRuns: 10 });
  }
  const start = stream.subarray(0, 20 * SIZE);
  const { seen } = readTs(start);
  for (let cut = 0; cut < start.length; cut += 3) assert.deepEqual(readTs(start, [cut]).seen.pes, seen.pes);
});

test('media: layout once, one body per PES packet, timestamps of the DTS, on over segments', () => {
  const whole = new BodyCollector();
  const once = new TsMediaReader(whole);
  once.push(stream, 0, stream.length, 1);
  once.end(2);
  assert.deepEqual(whole.layouts, ['annex-b']);
  assert.ok(whole.bodies.every(({ length }) => length === UNKNOWN_LENGTH));
  const video = whole.bodies.filter(({ type }) => type === MediaType.video);
  assert.deepEqual(
    video.map(({ timestamp }) => timestamp),
    Array.from({ length: 50 }, (_, i) => i * 40),
  );
  assert.equal(whole.bodies.length - video.length, 87);

  // The second segment without tables of its own, as some servers make them.
  const all = packets(stream);
  const second = all.findLastIndex((bytes) => pidOf(bytes) === 0);
  const parts = new BodyCollector();
  const breaks: number[][] = [];
  const reader = new TsMediaReader(parts, (...seen) => breaks.push(seen));
  for (const part of [join(all.slice(0, second)), join(all.slice(second + 2))]) {
    pushInPieces(part, [100, 1000, 5000], (bytes, start, end) => reader.push(bytes, start, end, 1));
    reader.end(2);
  }
  assert.deepEqual(parts.bodies, whole.bodies);
  assert.deepEqual([breaks, counts(reader.reader)], [[], { withoutTables: 1 }]);
});

test('media: two streams of each kind, one of another kind and a PES packet without a PTS', () => {
  const pmt = encodePmt(1, {
    pcrPid: VIDEO,
    streams: [
      { pid: 0x200, streamType: StreamType.hevc },
      { pid: VIDEO, streamType: StreamType.h264 },
      { pid: 0x201, streamType: StreamType.h264 },
    ],
  });
  const bare = [0, 0, 1, 0xe0, 0, 4, 0x80, 0, 0, 9];
  const bytes = join([
    tables.slice(0, SIZE),
    packet(PMT, 0, true, [0, ...pmt]),
    packet(0x200, 0, true, [...pesHeader(9), 7]),
    packet(VIDEO, 0, true, [...pesHeader(9, 65 * 90 + 89), 8]),
    packet(0x201, 0, true, [...pesHeader(9), 7]),
    packet(VIDEO, 1, true, bare),
  ]);
  const sink = new BodyCollector();
  const reader = new TsMediaReader(sink);
  reader.push(bytes, 0, bytes.length, 1);
  reader.end(1);
  assert.deepEqual(
    sink.bodies.map(({ timestamp, body }) => [timestamp, ...body]),
    [
      [65, 8],
      [65, 9],
    ],
  );
});

test('media: after an error and a reset the next segment reads as the first', () => {
  const sink = new BodyCollector();
  const reader = new TsMediaReader(sink);
  assert.throws(() => reader.push(stream.subarray(1), 0, 5000, 1), ProtocolError);
  reader.push(stream, 0, 3000, 1);
  reader.reset();
  sink.bodies.length = 0;
  reader.push(stream, 0, stream.length, 1);
  reader.end(1);
  assert.equal(sink.bodies.length, 137);
  assert.deepEqual(counts(reader.reader), {});
});

test('CRC_32 of a known table', () => {
  // The PAT that ffmpeg writes: program 1, PMT PID 0x1000.
  const pat = Buffer.from('00b00d0001c100000001f0002ab104b2', 'hex');
  assert.equal(crc32(pat, 0, 12), 0x2ab104b2);
  assert.equal(crc32(pat), 0);
});

test('time stamps have 33 bits, the PTS stands in for a DTS that is absent', () => {
  const writer = new TsWriter();
  const unit = Uint8Array.of(0, 0, 1, 9, 0xf0);
  const most = 2 ** 33 - 1;
  const rows: [number, number][] = [
    [0, 0],
    [3600, 0],
    [most, most - 3600],
    [2 ** 32 + 5, 2 ** 31 + 7],
    [0x155555555, 0x0aaaaaaaa],
  ];
  const bytes = [writer.tables(), ...rows.map(([pts, dts]) => writer.video(unit, pts, dts, false))];
  const { seen } = readTs(join(bytes));
  assert.deepEqual(
    seen.pes.map(({ pts, dts, pcr }) => [pts, dts, pcr]),
    rows.map(([pts, dts]) => [pts, dts, dts]),
  );
  const absent = join([tables, packet(VIDEO, 0, true, [0, 0, 1, 0xe0, 0, 4, 0x80, 0, 0, 9])]);
  assert.deepEqual(
    readTs(absent).seen.pes.map(({ pts, dts }) => [pts, dts]),
    [[Number.NaN, Number.NaN]],
  );
});

test('a lost packet is told and counted; what came of the PES packet is handed on', () => {
  const list = packets(stream);
  const lost = list.findIndex((bytes, i) => pidOf(bytes) === VIDEO && i > 20 && (bytes[1]! & 0x40) === 0);
  const counter = list[lost]![3]! & 15;
  const { seen, reader } = readTs(join(list.toSpliced(lost, 1)));
  assert.deepEqual(seen.breaks, [[VIDEO, counter, (counter + 1) & 15]]);
  assert.equal(counts(reader).continuityErrors, 1);
  assert.equal(seen.of(StreamType.h264).length, 50);
  const scanner = new AnnexBScanner();
  const damaged = seen.of(StreamType.h264).filter(({ payload }) => {
    scanner.begin();
    scanner.data(payload, 0, payload.length);
    scanner.end();
    return !scanner.intact;
  });
  assert.equal(damaged.length, 1, 'the stamp tells which');
});

test('a packet may come twice, not three times, and 15 lost ones are no duplicate', () => {
  const list = packets(stream);
  const at = list.findIndex((bytes, i) => pidOf(bytes) === VIDEO && i > 20);
  const twice = readTs(join(list.toSpliced(at, 0, list[at]!)));
  assert.deepEqual([counts(twice.reader), twice.seen.pes], [{ duplicates: 1 }, readTs(stream).seen.pes]);
  const thrice = readTs(join(list.toSpliced(at, 0, list[at]!, list[at]!)));
  assert.deepEqual([thrice.reader.duplicates, thrice.reader.continuityErrors], [1, 1]);
  const video = list.filter((bytes) => pidOf(bytes) === VIDEO || pidOf(bytes) === 0 || pidOf(bytes) === PMT);
  const { reader } = readTs(join(video.toSpliced(30, 15)));
  assert.deepEqual([reader.duplicates, reader.continuityErrors], [0, 1]);
});

test('discontinuity_indicator and a new segment excuse any counter; packets without payload have none', () => {
  const first = packet(VIDEO, 3, true, [...pesHeader(0), 1]);
  const jump = packet(VIDEO, 9, false, [2]);
  jump[5] = 0x80;
  const empty = packet(VIDEO, 0, false, []);
  empty[3] = 0x2c;
  const { seen, reader } = readTs(join([tables, first, empty, jump, empty, packet(VIDEO, 10, false, [3])]));
  assert.deepEqual([counts(reader), seen.pes.map(({ payload }) => [...payload])], [{}, [[1, 2, 3]]]);
  const signalled = empty.slice();
  signalled[5] = 0x80;
  const second = readTs(join([tables, first, signalled, packet(VIDEO, 1, false, [2])]));
  assert.deepEqual(counts(second.reader), {});

  const sink = new PesCollector();
  const segments = new TsReader(sink);
  for (const counter of [3, 11]) {
    segments.push(join([tables, packet(VIDEO, counter, true, [...pesHeader(0), 1])]));
    segments.end();
  }
  assert.deepEqual([sink.breaks, sink.pes.length], [[], 2]);
});

test('random_access_indicator and the PCR belong to the PES packet that follows', () => {
  const clock = packet(VIDEO, 0, false, []);
  clock[3] = 0x20;
  clock.set([0x50, 0, 0, 0, 0xff, 0x80, 0], 5);
  const bytes = join([
    tables,
    clock,
    packet(VIDEO, 0, true, [...pesHeader(9), 1]),
    packet(VIDEO, 1, true, [...pesHeader(9), 2]),
  ]);
  assert.deepEqual(
    readTs(bytes).seen.pes.map(({ randomAccess, pcr }) => [randomAccess, pcr]),
    [
      [true, 511],
      [false, 511],
    ],
  );
});

test('what cannot be used is counted: scrambled, in error, reserved, of unknown PIDs, of no PES packet', () => {
  const good = packet(VIDEO, 0, true, [...pesHeader(9), 1]);
  const scrambled = packet(VIDEO, 1, true, [...pesHeader(9), 2]);
  scrambled[3]! |= 0x80;
  const inError = packet(VIDEO, 2, true, [...pesHeader(9), 3]);
  inError[1]! |= 0x80;
  const reserved = packet(VIDEO, 2, true, [...pesHeader(9), 4]);
  reserved[3]! &= 0x0f;
  const pesScrambled = packet(VIDEO, 2, true, [...pesHeader(9), 5]);
  pesScrambled[pesScrambled.length - 9] = 0xa0;
  const unknown = packet(0x333, 0, true, [...pesHeader(9), 6]);
  const nothing = packet(0x1fff, 0, false, [7]);
  const service = packet(0x11, 0, true, [8]);
  const padding = packet(VIDEO, 3, true, [0, 0, 1, 0xbe, 0, 3, 255, 255, 255]);
  const stray = packet(AUDIO, 0, false, [9]);
  const { seen, reader } = readTs(
    join([
      ...[tables, good, scrambled, inError, reserved, pesScrambled],
      ...[unknown, nothing, service, padding, stray],
    ]),
  );
  assert.deepEqual(
    seen.pes.map(({ payload }) => [...payload]),
    [[1]],
  );
  assert.deepEqual(counts(reader), { scrambled: 2, discarded: 2, unreferenced: 1, stray: 1 });
});

test('a PES packet shorter or longer than it says, and one without a length', () => {
  const short = packet(VIDEO, 0, true, [...pesHeader(8 + 5), 1, 2]);
  const long = packet(VIDEO, 1, true, [...pesHeader(8 + 1), 3, 4]);
  const open = packet(VIDEO, 2, true, [...pesHeader(0), 5]);
  const more = packet(VIDEO, 3, false, [6]);
  const { seen, reader } = readTs(join([tables, short, long, open, more]));
  assert.deepEqual(
    seen.pes.map(({ payload }) => [...payload]),
    [[1, 2], [3], [5, 6]],
  );
  assert.deepEqual(counts(reader), { truncated: 1, stray: 1 });
  assert.equal(codeOf(join([tables, open, more]), [], { maxPesSize: 1 }), ProtocolErrorCode.TsSize);
});

test('a PES header that is split over packets', () => {
  const header = pesHeader(9);
  for (let cut = 1; cut < header.length; cut++) {
    const bytes = join([
      tables,
      packet(VIDEO, 0, true, header.slice(0, cut)),
      packet(VIDEO, 1, false, [...header.slice(cut), 42]),
    ]);
    const { seen, reader } = readTs(bytes);
    assert.deepEqual([seen.pes.map(({ payload }) => [...payload]), counts(reader)], [[[42]], {}]);
  }
  // Padding has no more of a header than its length.
  const padding = [0, 0, 1, 0xbe, 0, 1, 0xff];
  for (let cut = 1; cut <= padding.length; cut++) {
    const pieces = [packet(VIDEO, 0, true, padding.slice(0, cut))];
    if (cut < padding.length) pieces.push(packet(VIDEO, 1, false, padding.slice(cut)));
    const { seen, reader } = readTs(join([tables, ...pieces]));
    assert.deepEqual([seen.pes, counts(reader)], [[], {}]);
  }
  const broken = readTs(
    join([tables, packet(VIDEO, 0, true, [0, 0, 1]), packet(VIDEO, 1, true, [...header, 1])]),
  );
  assert.deepEqual([broken.seen.pes.length, counts(broken.reader)], [1, { truncated: 1 }]);
});

test('a PES header that cannot be is a typed error', () => {
  const code = (...bytes: number[]): string => codeOf(join([tables, packet(VIDEO, 0, true, bytes)]));
  assert.equal(code(...pesHeader(9), 1), 'none');
  assert.equal(code(0, 0, 2, 0xe0, 0, 0, 0x80, 0, 0), ProtocolErrorCode.TsPes, 'start code');
  assert.equal(code(0, 0, 1, 0xe0, 0, 0, 0x40, 0, 0), ProtocolErrorCode.TsPes, "not '10'");
  assert.equal(code(0, 0, 1, 0xe0, 0, 7, 0x80, 0, 5, 1, 1, 1, 1, 1), ProtocolErrorCode.TsPes, 'overrun');
  assert.equal(code(0, 0, 1, 0xe0, 0, 2, 0x80, 0, 0), ProtocolErrorCode.TsPes, 'no room for the header');
  assert.equal(code(0, 0, 1, 0xe0, 0, 0, 0x80, 0x40, 5, 1, 1, 1, 1, 1), ProtocolErrorCode.TsPes, 'flags 01');
  assert.equal(code(0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 4, 1, 1, 1, 1), ProtocolErrorCode.TsPes, 'no PTS');
  assert.equal(code(0, 0, 1, 0xe0, 0, 0, 0x80, 0xc0, 5, 0x31, 0, 1, 0, 1), ProtocolErrorCode.TsPes, 'no DTS');
  assert.equal(
    code(0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5, 0x21, 0, 0, 0, 1),
    ProtocolErrorCode.TsPes,
    'marker_bit',
  );
});

test('sync_byte, adaptation fields and the end within a packet', () => {
  const list = packets(stream);
  for (const cuts of [[], [5 * SIZE], [5 * SIZE + 1]]) {
    assert.equal(codeOf(stream.subarray(1), cuts), ProtocolErrorCode.TsPacket);
    assert.equal(codeOf(join(list.with(5, list[5]!.subarray(1))), cuts), ProtocolErrorCode.TsPacket);
  }
  const html = new TextEncoder().encode('<html>404</html>');
  assert.throws(() => new TsReader(new PesCollector()).push(html), { code: ProtocolErrorCode.TsPacket });
  for (let cut = 1; cut < SIZE; cut++) {
    assert.equal(codeOf(stream.subarray(0, 10 * SIZE + cut)), ProtocolErrorCode.TsPacket);
  }
  const overrun = packet(VIDEO, 0, true, [1]);
  overrun[4] = 183;
  assert.equal(codeOf(join([tables, overrun])), ProtocolErrorCode.TsPacket);
  overrun[3] = 0x20;
  overrun[4] = 184;
  assert.equal(codeOf(join([tables, overrun])), ProtocolErrorCode.TsPacket);
  const clock = packet(VIDEO, 0, true, new Array(180).fill(1));
  clock[5] = 0x10;
  assert.equal(codeOf(join([tables, clock])), ProtocolErrorCode.TsPacket, 'no room for the PCR');
});

test('any one damaged bit of a PAT or PMT is a typed error', () => {
  const list = packets(stream);
  for (const [index, size] of [
    [0, 16],
    [1, 26],
  ] as const) {
    for (let at = 5; at < 5 + size; at++) {
      for (const mask of [1, 0x80]) {
        const damaged = list[index]!.slice();
        damaged[at]! ^= mask;
        assert.equal(
          codeOf(join(list.slice(0, 20).with(index, damaged))),
          ProtocolErrorCode.TsSection,
          `byte ${at} of table ${index}`,
        );
      }
    }
  }
});

test('a PMT on another PID, media on other PIDs, or no tables at all', () => {
  const list = packets(stream);
  const media = list.filter((bytes) => pidOf(bytes) === VIDEO || pidOf(bytes) === AUDIO);
  const wrong = new TsWriter({ pids: { pmt: 0x1002, video: VIDEO, audio: AUDIO } }).tables();
  assert.equal(codeOf(join([list[0]!, wrong.slice(SIZE), ...media])), ProtocolErrorCode.TsSection);
  const others = new TsWriter({ pids: { pmt: PMT, video: 0x200, audio: 0x201 } }).tables();
  assert.equal(codeOf(join([others, ...media])), ProtocolErrorCode.TsSection);
  assert.equal(codeOf(join(media)), ProtocolErrorCode.TsSection);
  assert.equal(codeOf(list[0]!), ProtocolErrorCode.TsSection);
  assert.equal(codeOf(new Uint8Array(0)), 'none', 'nothing is not wrong');
  assert.equal(codeOf(tables), 'none');
  const half = new TsWriter({ pids: { pmt: PMT, video: VIDEO, audio: 0x201 } }).tables();
  const { reader } = readTs(join([half, ...media]));
  assert.equal(counts(reader).unreferenced, media.filter((bytes) => pidOf(bytes) === AUDIO).length);
});

test('a PMT that contradicts itself, or names more streams than the limit', () => {
  const withPmt = (section: Uint8Array, limits = {}): string =>
    codeOf(join([tables.slice(0, SIZE), packet(PMT, 0, true, [0, ...section])]), [], limits);
  const streams = (...pids: number[]): { pid: number; streamType: number }[] =>
    pids.map((pid) => ({ pid, streamType: StreamType.h264 }));
  const pmt = (...pids: number[]): Uint8Array => encodePmt(1, { pcrPid: VIDEO, streams: streams(...pids) });
  assert.equal(withPmt(pmt(1000, 1001)), 'none');
  for (const pids of [[1000, 1000], [PMT], [0], [0x1fff]]) {
    assert.equal(withPmt(pmt(...pids)), ProtocolErrorCode.TsSection, String(pids));
  }
  assert.equal(withPmt(pmt(1000, 1001, 1002), { maxStreams: 2 }), ProtocolErrorCode.TsSize);
  for (const at of [11, 16]) {
    const overrun = pmt(1000);
    overrun[at] = 200;
    new DataView(overrun.buffer).setUint32(overrun.length - 4, crc32(overrun, 0, overrun.length - 4));
    assert.equal(withPmt(overrun), ProtocolErrorCode.TsSection, 'descriptors run past it');
  }
  const pat = tables.slice(5, 21);
  assert.equal(withPmt(pat), ProtocolErrorCode.TsSection, 'another table');
});

test('a PMT in several packets, behind a pointer_field, and sections that follow each other', () => {
  const many = Array.from({ length: 80 }, (_, i) => ({ pid: 1000 + i, streamType: 6 }));
  const section = encodePmt(1, { pcrPid: VIDEO, streams: many });
  const next = encodePmt(1, { pcrPid: VIDEO, streams: many.slice(0, 3) });
  const first = [...section.subarray(0, 183)];
  const rest = [...section.subarray(367)];
  const bytes = join([
    tables.slice(0, SIZE),
    packet(PMT, 0, true, [0, ...first]),
    packet(PMT, 1, false, [...section.subarray(183, 367)]),
    packet(PMT, 2, true, [rest.length, ...rest, ...next, ...section.subarray(0, 100)]),
    packet(PMT, 3, false, [...section.subarray(100, 284)]),
    packet(PMT, 4, false, [...section.subarray(284), 0xff, 0xff]),
  ]);
  const { seen, reader } = readTs(bytes, [], { maxStreams: 80 });
  assert.deepEqual(
    seen.programs.map((program) => program.split(' ').length),
    [80, 3, 80],
  );
  assert.deepEqual(counts(reader), { programChanges: 2 });
  const early = join([
    tables.slice(0, SIZE),
    packet(PMT, 0, true, [0, ...first]),
    packet(PMT, 1, true, [2, 1, 1, ...next]),
  ]);
  assert.equal(codeOf(early), ProtocolErrorCode.TsSection, 'the next section begins too early');
  assert.equal(codeOf(join([tables, packet(PMT, 1, true, [9, 1])])), ProtocolErrorCode.TsSection);
  const lost = join([
    tables.slice(0, SIZE),
    packet(PMT, 0, true, [0, ...first]),
    packet(PMT, 2, true, [2, 1, 1, ...next]),
  ]);
  assert.deepEqual(counts(readTs(lost).reader), { continuityErrors: 1 }, 'lost packets excuse it');
});

test('the program changes: told, counted, and open PES packets of streams that went are ended', () => {
  const open = packet(VIDEO, 0, true, [...pesHeader(0), 1]);
  const later = packet(0x200, 0, true, [...pesHeader(9), 2]);
  const moved = new TsWriter({ pids: { pmt: PMT, video: 0x200, audio: AUDIO } }).tables();
  moved[3] = 0x11;
  moved[SIZE + 3] = 0x11;
  const { seen, reader } = readTs(join([tables, open, moved, later]));
  assert.deepEqual(seen.programs, ['256:27 257:15', '512:27 257:15']);
  assert.deepEqual(
    seen.pes.map(({ pid, payload }) => [pid, ...payload]),
    [
      [VIDEO, 1],
      [0x200, 2],
    ],
  );
  assert.deepEqual([counts(reader), seen.faults], [{ programChanges: 1 }, []]);
  const elsewhere = new TsWriter({ pids: { pmt: 0x1002, video: 0x200, audio: AUDIO } }).tables();
  elsewhere[3] = 0x11;
  const switched = readTs(join([tables, open, elsewhere, later]));
  assert.deepEqual(switched.seen.pes, seen.pes);
  assert.deepEqual(switched.seen.faults, []);
});

test('any damage: a typed error or an orderly end, at any split', () => {
  const start = stream.subarray(0, 60 * SIZE);
  const damage = fc.array(fc.tuple(fc.nat(start.length - 1), fc.nat(255)), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(damage, fc.array(fc.nat(), { maxLength: 6 }), (changes, cuts) => {
      const bytes = start.slice();
      // Near the beginnings of packets, where it matters.
      for (const [at, value] of changes) bytes[at - (at % SIZE) + (at % 40)] = value;
      const seen = new PesCollector();
      const reader = new TsReader(seen);
      try {
        pushInPieces(bytes, cuts, (piece, from, to) => reader.push(piece, from, to));
        reader.end();
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
      assert.deepEqual(seen.faults, []);
      assert.equal(codeOf(bytes, cuts), codeOf(bytes));
    }),
    { numRuns: 300 },
  );
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 187, maxLength: 187 }), { maxLength: 20 }), (list) => {
      const synced = join([tables, ...list.map((rest) => Uint8Array.of(0x47, ...rest))]);
      assert.match(codeOf(synced), /^(none|mpegts\.)/);
    }),
    { numRuns: 200 },
  );
});

test('the clock of the stamps is that of the fixture', () => {
  const { seen } = readTs(stream);
  const scanner = new AnnexBScanner();
  for (const [i, { payload, dts }] of seen.of(StreamType.h264).entries()) {
    scanner.begin();
    scanner.data(payload, 0, payload.length);
    scanner.end();
    assert.deepEqual([scanner.intact, scanner.frame, scanner.keyframe], [true, i, i % 25 === 0]);
    assert.ok(Math.abs(scanner.sentAt - (CLOCK + dts / 90)) < 0.001);
  }
});
