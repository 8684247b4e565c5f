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
import { mutations } from '../../../protocols/stun/mutate.ts';
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
  assert.deepEqual([gate.figures.opened, gate.figures.peeked], [2, 11]);
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
