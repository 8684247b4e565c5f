import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { nodeSrtpCrypto } from '../../../../drivers/webrtc/lite/crypto.ts';
import { MediaGate } from '../../../../drivers/webrtc/lite/media-gate.ts';
import { PayloadKind } from '../../../../drivers/webrtc/lite/offer.ts';
import { AnnexBScanner } from '../../../../protocols/h264/annexb-scanner.ts';
import { encodeStamp } from '../../../../protocols/h264/stamp.ts';
import { encodeRtp } from '../../../../protocols/rtp/packet.ts';
import { type MasterKeys, SrtpTransform } from '../../../../protocols/srtp/keys.ts';
import { SrtpReceiver, SrtpSender } from '../../../../protocols/srtp/rtp.ts';
import { mutations, randomOf } from '../../../protocols/stun/mutate.ts';
import { watchRetained } from '../../../support/nothing-kept.ts';

const VIDEO = 102;
const AUDIO = 111;
const SLICE = Uint8Array.from({ length: 400 }, (_, i) => (i === 0 ? 0x65 : 1 + (i % 250)));
const STAMP = encodeStamp({ stream: 5, frame: 77, sentAt: 1_700_000_000_000.25 }, [SLICE]);
const keys: MasterKeys = {
  transform: SrtpTransform.cm,
  key: Uint8Array.from(randomBytes(16)),
  salt: Uint8Array.from(randomBytes(14)),
};

function rig(sample: number, first = 0, offset = 0) {
  const kinds = new Uint8Array(128);
  kinds[VIDEO] = PayloadKind.h264;
  kinds[AUDIO] = PayloadKind.audio;
  const seen: { payload: Uint8Array; size: number | undefined }[] = [];
  const plan = { sample, first, offset };
  const gate = new MediaGate(new SrtpReceiver(keys, nodeSrtpCrypto), kinds, plan, {
    onConnected() {},
    onRtcp() {},
    onGone() {},
    onRtp: (bytes, start, end, _now, size) => seen.push({ payload: bytes.slice(start + 12, end), size }),
  });
  const sender = new SrtpSender(keys, nodeSrtpCrypto);
  let sequence = 0;
  const push = (payload: Uint8Array, payloadType = VIDEO, timestamp = 1, padding = 0): Uint8Array => {
    const header = { payloadType, sequence: sequence++, timestamp, ssrc: 9 };
    const sealed = sender.protect(encodeRtp(header, payload, padding));
    gate.push(sealed.slice(), 0);
    return sealed;
  };
  return { gate, seen, push };
}

const NEVER = 1_000_000_007;

test('slices are only looked at, audio not even that, their size is told; the stamp is opened and left unchecked', () => {
  const { gate, seen, push } = rig(NEVER);
  push(STAMP);
  push(SLICE);
  push(randomBytes(160), AUDIO);
  assert.deepEqual(
    seen.map(({ payload, size }) => [payload.length, size]),
    [
      [59, 71],
      [4, 412],
      [0, 172],
    ],
  );
  assert.deepEqual(seen[1]!.payload, SLICE.slice(0, 4));
  const scanner = new AnnexBScanner();
  scanner.begin();
  for (const { payload } of seen.slice(0, 2)) {
    scanner.data(Uint8Array.of(0, 0, 1, ...payload), 0, payload.length + 3);
  }
  scanner.end();
  const { intact, unchecked, frame, stream, sentAt, keyframe } = scanner;
  assert.deepEqual(
    { intact, unchecked, frame, stream, sentAt, keyframe },
    { intact: true, unchecked: true, frame: 77, stream: 5, sentAt: 1_700_000_000_000.25, keyframe: true },
  );
  assert.deepEqual(gate.figures, { opened: 1, peeked: 2, forged: 0, replayed: 0, malformed: 0 });
});

test('in full mode everything is opened, and the checksum stays', () => {
  const { gate, seen, push } = rig(1);
  push(STAMP);
  push(SLICE);
  push(randomBytes(160), AUDIO);
  assert.deepEqual(seen[0]!.payload, STAMP);
  assert.deepEqual(seen[1]!.payload, SLICE);
  assert.deepEqual([gate.figures.opened, gate.figures.peeked], [3, 0]);
});

test('a stamp in an aggregate is found, too', () => {
  const { seen, push } = rig(NEVER);
  const sps = Uint8Array.from({ length: 60 }, (_, i) => (i === 0 ? 0x67 : 9));
  push(Uint8Array.of(24, 0, sps.length, ...sps, 0, STAMP.length, ...STAMP));
  assert.equal(Buffer.from(seen[0]!.payload.subarray(-9, -1)).toString(), '--------');
  push(Uint8Array.of(24, 0xff, 0xff, ...STAMP, ...STAMP));
  assert.equal(seen.length, 2);
});

test('padded packets and unknown payload types are opened whole', () => {
  const { gate, seen, push } = rig(NEVER);
  push(SLICE, VIDEO, 1, 20);
  push(SLICE, 96);
  assert.deepEqual(
    seen.map(({ size }) => size),
    [432, 412],
  );
  assert.equal(gate.figures.opened, 2);
});

test('of access units one in so many is opened, all of its packets', () => {
  const { gate, push } = rig(50);
  for (let frame = 0; frame < 5000; frame++) {
    push(SLICE, VIDEO, frame * 3600);
    push(SLICE, VIDEO, frame * 3600);
  }
  const { opened } = gate.figures;
  assert.equal(opened % 2, 0);
  assert.ok(opened > 120 && opened < 300, `${opened}`);
});

/** Timestamps go on by these (RFC 7587 section 4.1 for 20 ms of Opus; 90 kHz): low bits of them are always the same. */
const STEPS = [
  ['audio', AUDIO, 960],
  ['video of 12.5 frames a second', VIDEO, 7200],
  ['video of 25 frames a second', VIDEO, 3600],
  ['video of 30 frames a second', VIDEO, 3000],
] as const;
for (const [name, payloadType, step] of STEPS) {
  test(`of ${name} each player opens about one in so many`, () => {
    const [players, packets, sample] = [300, 3000, 50];
    const sender = new SrtpSender(keys, nodeSrtpCrypto);
    const [first, ...sealed] = Array.from({ length: 1 + packets }, (_, sequence) => {
      const header = { payloadType, sequence, timestamp: sequence * step, ssrc: 9 };
      return sender.protect(encodeRtp(header, SLICE.subarray(0, 100)));
    });
    const random = randomOf(1);
    // Five standard deviations of a binomial distribution: of a million players one is further from the mean.
    const mean = packets / sample;
    const most = 5 * Math.sqrt(mean * (1 - 1 / sample));
    let all = 0;
    for (let player = 0; player < players; player++) {
      const { gate } = rig(sample, 0, Math.floor(random() * 2 ** 32));
      // That of a source is opened always.
      gate.push(first!.slice(), 0);
      const before = gate.figures.opened;
      for (const packet of sealed) gate.push(packet.slice(), 0);
      const opened = gate.figures.opened - before;
      assert.ok(Math.abs(opened - mean) < most, `player ${player}: ${opened}, ${mean} +- ${most}`);
      all += opened;
    }
    assert.ok(Math.abs(all - players * mean) < most * Math.sqrt(players), `${all} of all`);
  });
}

test('each player compares its first two access units, and then others of a stream than its neighbours do', () => {
  const opened = (offset: number): number[] => {
    const { gate, push } = rig(50, 2, offset);
    return Array.from({ length: 2000 }, (_, frame) => frame).filter((frame) => {
      const before = gate.figures.opened;
      push(SLICE, VIDEO, frame * 3600);
      return gate.figures.opened > before;
    });
  };
  const players = [1, 0x12345678, 0x9abcdef0].map(opened);
  for (const frames of players) assert.deepEqual(frames.slice(0, 2), [0, 1]);
  const [a, b, c] = players.map((frames) => frames.slice(2).join());
  assert.ok(a !== b && b !== c && a !== c);
});

test('what comes again of a first access unit, after others, is opened as the rest of it was', () => {
  const { gate, push } = rig(NEVER, 2);
  for (const timestamp of [1000, 2000, 3000, 1000, 2000, 4000]) push(SLICE, VIDEO, timestamp);
  assert.deepEqual([gate.figures.opened, gate.figures.peeked], [4, 2]);
});

test('audio does not use up the first access units', () => {
  const { gate, push } = rig(NEVER, 2);
  for (let packet = 0; packet < 10; packet++) push(randomBytes(160), AUDIO, 1000 + packet);
  push(SLICE, VIDEO, 100);
  push(SLICE, VIDEO, 200);
  push(SLICE, VIDEO, 300);
  // With the first of the source.
  assert.deepEqual([gate.figures.opened, gate.figures.peeked], [3, 10]);
});

/** Opus packets of 20 ms as they go out, with these indices: sequence numbers that are not cut to 16 bits. */
function opus(indices: Iterable<number>, ssrc = 10): Uint8Array[] {
  const sender = new SrtpSender(keys, nodeSrtpCrypto);
  return Array.from(indices, (index) => {
    const header = { payloadType: AUDIO, sequence: index & 0xffff, timestamp: index * 960, ssrc };
    return sender.protect(encodeRtp(header, Uint8Array.of(0xfc, index & 0xff)));
  });
}

function* range(from: number, to: number, step = 1): Generator<number> {
  for (let index = from; index < to; index += step) yield index;
}

test('audio whose sequence numbers begin anew before any was in the sample is opened all the same', () => {
  const packets = opus(range(65_526, 66_026));
  for (let player = 0; player < 40; player++) {
    const { gate, seen } = rig(50, 0, Math.imul(player, 0x9e3779b1));
    for (const packet of packets) gate.push(packet.slice(), 0);
    assert.deepEqual([gate.figures.forged, gate.figures.replayed, seen.length], [0, 0, 500]);
  }
});

test('audio that is hardly ever in the sample is opened after any wrap, whatever was lost before', () => {
  const all = [...range(65_526, 200_000)];
  // Without those that would be opened if it were always the same sequence numbers.
  const thin = all.filter((index) => index % 1024 > 40);
  const far = [...range(65_526, 1_000_000, 30_000)];
  for (const [indices, openedOfThem] of [
    [all, Math.ceil(all.length / 1024)],
    [thin, Math.ceil(all.length / 1024)],
    [far, far.length],
  ] as const) {
    const { gate, seen } = rig(NEVER);
    for (const packet of opus(indices)) gate.push(packet, 0);
    const { opened, forged, replayed } = gate.figures;
    assert.deepEqual([opened, forged, replayed, seen.length], [openedOfThem, 0, 0, indices.length]);
  }
});

test('audio that overtook others before the first wrap is given up, and those are not', () => {
  const [a, b, c, ...rest] = opus(range(65_534, 66_000));
  const { gate, seen } = rig(1);
  // Of a source that begins, each is taken for one before the wrap (RFC 3711 section 3.3.1).
  for (const packet of [c!, a!, b!, ...rest]) gate.push(packet, 0);
  assert.deepEqual([gate.figures.forged, seen.length], [1, 465]);
});

test('audio that is forged moves no rollover counter', () => {
  const { gate } = rig(NEVER);
  const packets = opus(range(65_526, 70_000));
  for (const packet of packets.splice(0, 5)) gate.push(packet, 0);
  for (const sequence of [2000, 20_000, 30_000, 40_000, 50_000, 65_535]) {
    const forged = packets[0]!.slice();
    forged[2] = sequence >> 8;
    forged[3] = sequence & 0xff;
    gate.push(forged, 0);
  }
  // Those far ahead are opened; those behind are neither opened nor believed.
  assert.equal(gate.figures.forged, 3);
  for (const packet of packets) gate.push(packet, 0);
  assert.deepEqual([gate.figures.forged, gate.figures.replayed], [3, 0]);
});

test('another source has a rollover counter of its own, of audio and of video', () => {
  const { gate, seen } = rig(NEVER);
  for (const ssrc of [10, 11]) for (const packet of opus(range(65_530, 65_540), ssrc)) gate.push(packet, 0);
  const sender = new SrtpSender(keys, nodeSrtpCrypto);
  for (const index of range(65_530, 65_540)) {
    const header = { payloadType: VIDEO, sequence: index & 0xffff, timestamp: 1, ssrc: 12 };
    gate.push(sender.protect(encodeRtp(header, SLICE)), 0);
  }
  assert.deepEqual(gate.figures, { opened: 3, peeked: 27, forged: 0, replayed: 0, malformed: 0 });
  assert.deepEqual(seen.at(-1)!.payload, SLICE.slice(0, 4));
});

test('what is forged, replayed or cut is not handed on', () => {
  const { gate, seen, push } = rig(NEVER);
  const sealed = push(STAMP);
  gate.push(sealed.slice(), 0);
  const forged = sealed.slice();
  forged[3]! += 1;
  gate.push(forged, 0);
  gate.push(sealed.slice(0, 15), 0);
  gate.push(sealed.slice(0, 5), 0);
  assert.equal(seen.length, 1);
  assert.deepEqual(gate.figures, { opened: 1, peeked: 0, forged: 1, replayed: 1, malformed: 2 });
});

test('100 000 random and mutated packets: nothing but what is counted', () => {
  const { gate, seen, push } = rig(50);
  const seeds = [push(STAMP), push(SLICE), push(SLICE, AUDIO), push(SLICE, 96)];
  seen.length = 0;
  let handed = 0;
  const assertNothingKept = watchRetained();
  for (const bytes of mutations(seeds, 100_000)) {
    gate.push(bytes, 0);
    handed += seen.length;
    seen.length = 0;
  }
  assertNothingKept();
  const { opened, peeked } = gate.figures;
  assert.ok(handed <= opened + peeked);
});
