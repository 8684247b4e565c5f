import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeCrypto } from '../../../drivers/srt/crypto.ts';
import { decodeAck, decodeDropRequest, readLossReport } from '../../../protocols/srt/control.ts';
import { decodeHandshake, encodeHandshake, HandshakeType } from '../../../protocols/srt/handshake.ts';
import { decodeKeyMessage, KeyRing } from '../../../protocols/srt/key-material.ts';
import {
  ControlType,
  controlTypeOf,
  decodePacket,
  destinationOf,
  HEADER_SIZE,
  isControl,
  timestampOf,
} from '../../../protocols/srt/packet.ts';
import { capture } from './pcap.ts';

function handshakes(name: string): Uint8Array[] {
  return capture(name)
    .map(({ payload }) => payload)
    .filter((packet) => isControl(packet) && controlTypeOf(packet) === ControlType.handshake);
}

for (const name of ['srs-publish-play.pcap', 'libsrt-aes128.pcap']) {
  test(`every packet of ${name} is read`, () => {
    const seen = new Map<string, number>();
    for (const { payload } of capture(name)) {
      const packet = decodePacket(payload);
      const kind = packet.kind === 'data' ? 'data' : String(packet.type);
      seen.set(kind, (seen.get(kind) ?? 0) + 1);
      if (packet.kind === 'data') {
        assert.equal(packet.position, 3);
        assert.equal(packet.payload.length % 188, 0);
        continue;
      }
      switch (packet.type) {
        case ControlType.handshake:
          decodeHandshake(payload);
          break;
        case ControlType.ack:
          assert.ok(decodeAck(payload).next > 0);
          break;
        case ControlType.nak:
          readLossReport(payload, () => {});
          break;
        case ControlType.dropRequest:
          decodeDropRequest(payload);
          break;
        case ControlType.keepAlive:
        case ControlType.ackAck:
        case ControlType.shutdown:
          break;
        default:
          assert.fail(`control type ${packet.type}`);
      }
    }
    assert.ok(seen.get('data')! > 20);
    assert.ok(seen.get(String(ControlType.ack))! > 20);
  });

  test(`handshakes of ${name} come out again as they went in`, () => {
    const found = handshakes(name);
    assert.ok(found.length >= 4);
    for (const packet of found) {
      const handshake = decodeHandshake(packet);
      const again = encodeHandshake(handshake, timestampOf(packet), destinationOf(packet));
      // libsrt sends HSREQ, SID, CONFIG and KMREQ in an order of its own: what they say must be the same.
      assert.deepEqual(decodeHandshake(again), handshake);
      assert.equal(again.length, packet.length);
    }
  });
}

test('a caller of libsrt asks for its stream, and SRS answers', () => {
  const found = handshakes('srs-publish-play.pcap').map(decodeHandshake);
  assert.deepEqual(
    found.slice(0, 4).map(({ version, type }) => [version, type]),
    [
      [4, HandshakeType.induction],
      [5, HandshakeType.induction],
      [5, HandshakeType.conclusion],
      [5, HandshakeType.conclusion],
    ],
  );
  const [, induction, request, response] = found;
  assert.equal(request?.cookie, induction?.cookie);
  assert.match(request?.streamId ?? '', /^#!::/);
  assert.equal(request?.hs?.response, false);
  assert.equal(response?.hs?.response, true);
  assert.equal(response?.initialSequence, request?.initialSequence);
});

test('payloads that libsrt encrypted with AES-128 are read with the passphrase, and with no other', () => {
  const packets = capture('libsrt-aes128.pcap').map(({ payload }) => payload);
  const km = handshakes('libsrt-aes128.pcap')
    .map(decodeHandshake)
    .find((handshake) => handshake.km !== undefined && !handshake.km.response)?.km;
  assert.ok(km !== undefined);
  assert.equal(decodeKeyMessage(km.content).keyBytes, 16);
  assert.equal(KeyRing.open(nodeCrypto, 'wronghorse', km.content), undefined);
  const keys = KeyRing.open(nodeCrypto, 'correcthorse', km.content);
  assert.ok(keys !== undefined);
  assert.deepEqual(Buffer.from(keys.message()), Buffer.from(km.content));
  let read = 0;
  for (const packet of packets.filter((candidate) => !isControl(candidate))) {
    const decoded = decodePacket(packet);
    assert.ok(decoded.kind === 'data' && decoded.key === 1);
    const payload: Uint8Array = keys.payload(packet, HEADER_SIZE, decoded.key)!;
    for (let at = 0; at < payload.length; at += 188) assert.equal(payload[at], 0x47);
    read++;
  }
  assert.ok(read > 20);
});
