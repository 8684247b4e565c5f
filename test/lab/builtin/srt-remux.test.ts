import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TsRemuxer } from '../../../lab/builtin/srt/remux.ts';
import { seededRandom } from '../../../lab/taps/udp-faults.ts';
import { joinAnnexB } from '../../../protocols/h264/annexb.ts';
import { parseAvcConfig } from '../../../protocols/h264/parameter-sets.ts';
import { MediaType } from '../../../protocols/media.ts';
import { TS_PACKET_SIZE } from '../../../protocols/mpegts/reader.ts';
import { TsWriter } from '../../../protocols/mpegts/writer.ts';
import { retained } from '../../support/memory.ts';
import { messages, source } from './srt-support.ts';

const INPUTS = 100_000;
const MAX_GROWTH_MIB = 8;

interface Item {
  readonly type: MediaType;
  readonly timestamp: number;
  readonly body: Buffer;
}

function remux(packets: readonly Uint8Array[]): { items: Item[]; remuxer: TsRemuxer } {
  const items: Item[] = [];
  const remuxer = new TsRemuxer((type, timestamp, body) =>
    items.push({ type, timestamp, body: Buffer.from(body) }),
  );
  for (const packet of packets) remuxer.push(packet);
  remuxer.end();
  return { items, remuxer };
}

const payloads = messages().map(({ payload }) => payload);
const isHeader = ({ body }: Item): boolean => body[1] === 0;
const media = (items: readonly Item[], type: MediaType): Item[] =>
  items.filter((item) => item.type === type && !isHeader(item));

/** One video access unit of NAL units. */
function unit(writer: TsWriter, dts: number, nals: readonly number[][], pts = dts): Uint8Array {
  return writer.video(joinAnnexB(nals.map((nal) => Uint8Array.from(nal))), pts, dts, true);
}

/** So many payloads, with up to `most` bytes changed, the greater part near the beginnings of transport packets. */
function spoilt(
  all: readonly Uint8Array[],
  from: number,
  count: number,
  most: number,
  random: () => number,
): readonly Uint8Array[] {
  const int = (below: number): number => Math.floor(random() * below);
  const copies = all.slice(from, from + count).map((payload) => payload.slice());
  for (let changes = int(most + 1); changes > 0; changes--) {
    const payload = copies[int(copies.length)]!;
    const packet = int(payload.length / TS_PACKET_SIZE) * TS_PACKET_SIZE;
    payload[packet + int(random() < 0.7 ? 40 : TS_PACKET_SIZE)] = int(256);
  }
  return copies;
}

function assertNothingKept(before: number): void {
  const grown = retained() - before;
  assert.ok(grown < MAX_GROWTH_MIB, `${grown.toFixed(1)} MiB more`);
}

const SPS = [0x67, 0x42, 0xc0, 0x1e, 1];
const PPS = [0x68, 0xce, 0x3c, 0x80];
const SEI = [0x06, 5, 1, 7, 0x80];
const IDR = [0x65, 1, 2, 3];
const SLICE = [0x41, 1, 2, 3];
const DELIMITER = [0x09, 0xf0];

describe('a transport stream becomes what an RTMP publisher would have sent', () => {
  test('every body and every timestamp of the source comes back', () => {
    const { items, remuxer } = remux(payloads);
    for (const type of [MediaType.video, MediaType.audio]) {
      const got = media(items, type);
      // Audio behind the last video frame waits for the next one.
      const sent = source.items.filter((item) => item.type === type).slice(0, got.length);
      assert.ok(got.length >= (type === MediaType.video ? source.frames : 400), String(got.length));
      assert.deepEqual(
        got.map(({ timestamp }) => timestamp),
        sent.map(({ timestamp }) => timestamp),
      );
      for (const [at, { body }] of sent.entries()) assert.ok(got[at]!.body.equals(body), `${type} ${at}`);
    }
    assert.deepEqual([remuxer.damaged, remuxer.malformed], [0, 0]);
    const headers = items.filter(isHeader);
    assert.deepEqual(
      headers.map(({ type }) => type),
      [MediaType.video, MediaType.audio],
    );
    const sent = source.headers.find(({ type }) => type === MediaType.video)!;
    assert.deepEqual(parseAvcConfig(headers[0]!.body, 5), parseAvcConfig(Buffer.from(sent.body), 5));
    assert.equal(headers[1]!.body.toString('hex'), 'af001210');
  });

  test('SEI keep their place, delimiters and parameter sets leave the access unit', () => {
    const writer = new TsWriter();
    const { items } = remux([writer.tables(), unit(writer, 900, [DELIMITER, SPS, PPS, SEI, IDR, SEI])]);
    assert.equal(items.length, 2);
    assert.deepEqual(
      parseAvcConfig(items[0]!.body, 5).sps.map((sps) => [...sps]),
      [SPS],
    );
    assert.equal(
      items[1]!.body.toString('hex'),
      '1701000000' + '000000050605010780' + '0000000465010203' + '000000050605010780',
    );
  });

  test('changed parameter sets make a new sequence header, the same ones do not', () => {
    const writer = new TsWriter();
    const { items } = remux([
      writer.tables(),
      unit(writer, 0, [SPS, PPS, IDR]),
      unit(writer, 3600, [SPS, PPS, IDR]),
      unit(writer, 7200, [SPS, [...PPS, 1], IDR]),
      unit(writer, 10_800, [[...PPS, 2], SLICE]),
    ]);
    assert.deepEqual(
      items.map((item) => [item.timestamp, isHeader(item), item.body[0]]),
      [
        [0, true, 0x17],
        [0, false, 0x17],
        [40, false, 0x17],
        [80, true, 0x17],
        [80, false, 0x17],
        [120, true, 0x17],
        [120, false, 0x27],
      ],
    );
  });

  test('nothing is handed on before both parameter sets are known', () => {
    const writer = new TsWriter();
    const { items } = remux([
      writer.tables(),
      unit(writer, 0, [SLICE]),
      unit(writer, 3600, [SPS, SLICE]),
      unit(writer, 7200, [PPS, IDR]),
    ]);
    assert.deepEqual(
      items.map(({ timestamp }) => timestamp),
      [80, 80],
    );
  });

  test('composition times are kept, and time goes on when 33 bits wrap', () => {
    const writer = new TsWriter();
    const wrap = 2 ** 33;
    const { items } = remux([
      writer.tables(),
      unit(writer, wrap - 3600, [SPS, PPS, IDR], wrap - 3600 + 7200),
      unit(writer, wrap, [SLICE], wrap + 3600),
    ]);
    const frames = items.filter((item) => !isHeader(item));
    assert.deepEqual(
      frames.map(({ timestamp, body }) => [timestamp, body.readIntBE(2, 3)]),
      [
        [Math.floor((wrap - 3600) / 90), 80],
        [Math.floor(wrap / 90), 40],
      ],
    );
  });

  test('several AAC frames of one PES packet get the times that their samples take', () => {
    const writer = new TsWriter();
    // AAC-LC, 48 kHz, stereo, two bytes of payload.
    const adts = [0xff, 0xf1, 0x4c, 0x80, 0x01, 0x3f, 0xfc, 0x21, 0x10];
    const { items } = remux([
      writer.tables(),
      writer.audio(Uint8Array.from([...adts, ...adts, ...adts]), 9000),
    ]);
    assert.deepEqual(
      items.map(({ timestamp, body }) => [timestamp, body.toString('hex')]),
      [
        [100, 'af001190'],
        [100, 'af012110'],
        [121, 'af012110'],
        [142, 'af012110'],
      ],
    );
  });
});

describe('a transport stream that has suffered', () => {
  test('an access unit with a hole is left out, and no other', () => {
    const bodies = new Set(source.items.map(({ body }) => Buffer.from(body).toString('latin1')));
    let damaged = 0;
    for (let lost = 40; lost < payloads.length - 5; lost += 37) {
      const { items, remuxer } = remux(payloads.filter((_, at) => at !== lost));
      damaged += remuxer.damaged;
      const got = items.filter((item) => !isHeader(item));
      assert.ok(
        got.every(({ body }) => bodies.has(body.toString('latin1'))),
        `without message ${lost}`,
      );
      const missing = source.items.length - got.length;
      assert.ok(missing >= 1 && missing <= 12, `without message ${lost}: ${missing} missing`);
    }
    assert.ok(damaged > 0);
  });

  test('garbage between whole packets is survived: the stream goes on after it', () => {
    const garbage = Buffer.alloc(7 * 188, 0xff);
    const { items, remuxer } = remux([...payloads.slice(0, 30), garbage, ...payloads]);
    assert.ok(remuxer.malformed > 0);
    assert.ok(media(items, MediaType.video).length >= source.frames);
  });

  test(`${INPUTS} damaged beginnings: nothing is thrown, and nothing is kept`, () => {
    const random = seededRandom(16);
    const before = retained();
    for (let input = 0; input < INPUTS; input++) {
      const { items } = remux(spoilt(payloads, 0, 3, 20, random));
      assert.ok(items.length < 100);
    }
    assertNothingKept(before);
  });

  test(`${INPUTS} damaged messages of one publisher: nothing is thrown, nothing is kept, and then it goes on`, () => {
    const random = seededRandom(17);
    let read = 0;
    const remuxer = new TsRemuxer(() => read++);
    const before = retained();
    for (let input = 0; input < INPUTS; input++) {
      for (const payload of spoilt(payloads, input % payloads.length, 1, 1, random)) remuxer.push(payload);
    }
    assertNothingKept(before);
    const { damaged, malformed } = remuxer;
    assert.ok(
      Math.min(damaged, malformed, read) > INPUTS / 100,
      `${damaged} damaged, ${malformed} malformed, ${read} read`,
    );
    read = 0;
    // Twice: tables are only in some messages.
    for (const payload of [...payloads, ...payloads]) remuxer.push(payload);
    assert.ok(read > source.items.length, `${read} of ${2 * source.items.length}`);
  });
});
