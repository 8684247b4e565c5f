import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { nodeSrtpCrypto } from '../../../drivers/webrtc/lite/crypto.ts';
import { encodeRtp } from '../../../protocols/rtp/packet.ts';
import { type MasterKeys, SALT_SIZES, SrtpTransform } from '../../../protocols/srtp/keys.ts';
import { ReplayWindow } from '../../../protocols/srtp/replay.ts';
import { SrtcpReceiver, SrtcpSender } from '../../../protocols/srtp/rtcp.ts';
import { rtpPayloadStart, SrtpReceiver, SrtpSender, Unprotected } from '../../../protocols/srtp/rtp.ts';
import { watchRetained } from '../../support/nothing-kept.ts';
import { mutations } from '../stun/mutate.ts';

const TRANSFORMS = Object.values(SrtpTransform);
const keysOf = (transform: SrtpTransform): MasterKeys => ({
  transform,
  key: Uint8Array.from(randomBytes(16)),
  salt: Uint8Array.from(randomBytes(SALT_SIZES[transform])),
});

function packet(sequence: number, size = 60, ssrc = 7): Uint8Array {
  const payload = Uint8Array.from({ length: size }, (_, i) => i + sequence);
  return encodeRtp({ payloadType: 102, sequence: sequence & 0xffff, timestamp: 9, ssrc }, payload);
}

function unprotect(receiver: SrtpReceiver, sealed: Uint8Array): Uint8Array | number {
  const bytes = sealed.slice();
  const end = receiver.unprotect(bytes, 0, bytes.length, rtpPayloadStart(bytes, 0, bytes.length));
  return end < 0 ? end : bytes.slice(0, end);
}

test('packets of all lengths, with and without the library, with CSRCs and extensions', () => {
  for (const transform of TRANSFORMS) {
    const keys = keysOf(transform);
    const sender = new SrtpSender(keys, nodeSrtpCrypto);
    const receiver = new SrtpReceiver(keys, nodeSrtpCrypto);
    const pure = transform === SrtpTransform.cm ? new SrtpReceiver(keys) : receiver;
    for (let size = 0; size < 1200; size += 37) {
      const plain = encodeRtp(
        {
          payloadType: 102,
          sequence: size,
          timestamp: 1,
          ssrc: 0xfedcba98,
          csrcs: [1, 2],
          extensions: [{ id: 3, value: Uint8Array.of(1, 2) }],
        },
        Uint8Array.from(randomBytes(size)),
      );
      const sealed = sender.protect(plain);
      assert.deepEqual(unprotect(receiver, sealed), plain);
      if (pure !== receiver) assert.deepEqual(unprotect(pure, sealed), plain);
    }
    assert.equal(receiver.forged + receiver.replayed + receiver.malformed, 0);
  }
});

test('the rollover counter goes on over 65535, also for packets that come late and with gaps', () => {
  for (const transform of TRANSFORMS) {
    const keys = keysOf(transform);
    const sender = new SrtpSender(keys, nodeSrtpCrypto);
    const receiver = new SrtpReceiver(keys, nodeSrtpCrypto);
    const sealed = new Map<number, Uint8Array>();
    for (let index = 65_000; index < 200_000; index += 67) sealed.set(index, sender.protect(packet(index)));
    const order = [...sealed.keys()];
    for (let i = 0; i + 1 < order.length; i += 2) [order[i], order[i + 1]] = [order[i + 1]!, order[i]!];
    for (const index of order) assert.deepEqual(unprotect(receiver, sealed.get(index)!), packet(index));
  }
});

test('replayed, forged and malformed packets are told apart, and change nothing', () => {
  for (const transform of TRANSFORMS) {
    const keys = keysOf(transform);
    const sender = new SrtpSender(keys, nodeSrtpCrypto);
    const receiver = new SrtpReceiver(keys, nodeSrtpCrypto);
    const sealed = Array.from({ length: 1600 }, (_, sequence) => sender.protect(packet(sequence)));
    assert.deepEqual(unprotect(receiver, sealed[0]!), packet(0));
    assert.equal(unprotect(receiver, sealed[0]!), Unprotected.replayed);
    const forged = sealed[1]!.slice();
    forged[forged.length - 1]! ^= 1;
    assert.equal(unprotect(receiver, forged), Unprotected.forged);
    // One that claims to be far ahead does not move the window.
    const ahead = sealed[2]!.slice();
    ahead[2] = 0x70;
    assert.equal(unprotect(receiver, ahead), Unprotected.forged);
    assert.deepEqual(unprotect(receiver, sealed[1]!), packet(1));
    assert.deepEqual(unprotect(receiver, sealed[1599]!), packet(1599));
    assert.equal(unprotect(receiver, sealed[500]!), Unprotected.replayed);
    assert.deepEqual(unprotect(receiver, sealed[600]!), packet(600));
    assert.equal(unprotect(receiver, sealed[0]!.subarray(0, 20)), Unprotected.malformed);
    assert.equal(unprotect(receiver, new Uint8Array(5)), Unprotected.malformed);
    assert.deepEqual(
      [receiver.genuine, receiver.forged, receiver.replayed, receiver.malformed],
      [4, 2, 2, 2],
    );
  }
});

test('what is peeked at is what is there, and can be undone', () => {
  for (const transform of TRANSFORMS) {
    const keys = keysOf(transform);
    const receiver = new SrtpReceiver(keys, nodeSrtpCrypto);
    for (const size of [1, 15, 16, 17, 40, 1000]) {
      const sealed = new SrtpSender(keys, nodeSrtpCrypto).protect(packet(size, size));
      const bytes = sealed.slice();
      const end = receiver.peek(bytes, 0, bytes.length, 12, 16);
      assert.equal(end, 12 + Math.min(16, size));
      assert.deepEqual(bytes.subarray(0, end), packet(size, size).subarray(0, end));
      receiver.unpeek(bytes, 12, end);
      assert.deepEqual(bytes, sealed);
    }
    assert.equal(receiver.peek(new Uint8Array(14), 0, 14, 12, 16), -1);
  }
});

test('sources have windows of their own, and a flood of sources gets no memory', () => {
  const keys = keysOf(SrtpTransform.cm);
  const sender = new SrtpSender(keys);
  const receiver = new SrtpReceiver(keys);
  for (let ssrc = 1; ssrc <= 200; ssrc++) {
    const sealed = sender.protect(packet(1, 60, ssrc));
    assert.deepEqual(unprotect(receiver, sealed), packet(1, 60, ssrc));
    if (ssrc <= 64) assert.equal(unprotect(receiver, sealed), Unprotected.replayed);
  }
});

test('a packet under the wrong keys is forged', () => {
  for (const transform of TRANSFORMS) {
    const sealed = new SrtpSender(keysOf(transform), nodeSrtpCrypto).protect(packet(1));
    assert.equal(unprotect(new SrtpReceiver(keysOf(transform), nodeSrtpCrypto), sealed), Unprotected.forged);
  }
});

test('RTCP there and back, once', () => {
  for (const transform of TRANSFORMS) {
    const keys = keysOf(transform);
    const sender = new SrtcpSender(keys, nodeSrtpCrypto);
    const receiver = new SrtcpReceiver(keys, nodeSrtpCrypto);
    for (let i = 0; i < 300; i++) {
      const plain = Uint8Array.from([0x80, 201, 0, 1, 0, 0, 0, 9, ...randomBytes(4 * (i % 20))]);
      const sealed = sender.protect(plain);
      assert.deepEqual(Uint8Array.from(receiver.unprotect(sealed)!), plain);
      assert.equal(receiver.unprotect(sealed), undefined);
    }
    assert.equal(receiver.refused, 300);
    assert.throws(() => sender.protect(new Uint8Array(3)), { code: 'srtp.packet' });
  }
});

test('the window: new, seen, too old', () => {
  const window = new ReplayWindow();
  assert.ok(window.isNew(0));
  window.accept(1000);
  assert.ok(!window.isNew(1000) && window.isNew(999) && window.isNew(745) && !window.isNew(744));
  window.accept(999);
  assert.ok(!window.isNew(999));
  window.accept(1003);
  assert.ok(window.isNew(1001) && window.isNew(1002) && !window.isNew(1003) && !window.isNew(1000));
  window.accept(5000);
  assert.ok(window.isNew(4999) && !window.isNew(4744));
});

test('100 000 random and mutated packets: none is taken for genuine but for the seeds themselves', () => {
  for (const transform of TRANSFORMS) {
    const keys = keysOf(transform);
    const receiver = new SrtpReceiver(keys, nodeSrtpCrypto);
    const rtcp = new SrtcpReceiver(keys, nodeSrtpCrypto);
    const seeds = [packet(1), packet(2, 300), packet(3, 0)].map((plain) =>
      new SrtpSender(keys, nodeSrtpCrypto).protect(plain),
    );
    seeds.push(new SrtcpSender(keys, nodeSrtpCrypto).protect(Uint8Array.of(0x80, 201, 0, 1, 0, 0, 0, 9)));
    const known = new Set(seeds.map((seed) => Buffer.from(seed).toString('hex')));
    const assertNothingKept = watchRetained();
    for (const bytes of mutations(seeds, 50_000)) {
      const name = Buffer.from(bytes).toString('hex');
      const start = rtpPayloadStart(bytes, 0, bytes.length);
      const copy = bytes.slice();
      const peeked = receiver.peek(copy, 0, copy.length, start, 16);
      assert.ok(peeked <= copy.length);
      if (receiver.unprotect(bytes, 0, bytes.length, start) >= 0) assert.ok(known.has(name));
      if (rtcp.unprotect(bytes) !== undefined) assert.ok(known.has(name));
    }
    assertNothingKept();
    assert.ok(receiver.genuine <= seeds.length);
  }
});
