import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeCrypto } from '../../../drivers/srt/crypto.ts';
import { seededRandom } from '../../../lab/taps/udp-faults.ts';
import { ProtocolError } from '../../../protocols/errors.ts';
import { SrtConnection } from '../../../protocols/srt/connection.ts';
import { decodeAck, decodeDropRequest, readLossReport } from '../../../protocols/srt/control.ts';
import { decodeHandshake, encodeHandshake, HandshakeType } from '../../../protocols/srt/handshake.ts';
import { decodeKeyMessage } from '../../../protocols/srt/key-material.ts';
import { SrtListener } from '../../../protocols/srt/listener.ts';
import { decodePacket, writeUint32 } from '../../../protocols/srt/packet.ts';
import { retained } from '../../support/memory.ts';
import { Network, numbered, PEER } from './network.ts';
import { capture } from './pcap.ts';

const PACKETS = 100_000;
/** Both windows, full of the longest packets, are 24 MiB. */
const MAX_HELD_MIB = 32;

const recorded = [...capture('srs-publish-play.pcap'), ...capture('libsrt-aes128.pcap')].map(
  ({ payload }) => payload,
);

/** Random bytes, or a recorded packet with some of them changed, cut or made longer. */
function hostile(random: () => number): Uint8Array {
  const int = (below: number): number => Math.floor(random() * below);
  if (random() < 0.2) {
    const bytes = new Uint8Array(int(200));
    for (let at = 0; at < bytes.length; at++) bytes[at] = int(256);
    return bytes;
  }
  const from = recorded[int(recorded.length)]!;
  const length = random() < 0.3 ? int(from.length + 8) : from.length;
  const bytes = new Uint8Array(length);
  bytes.set(from.subarray(0, length));
  for (let changes = int(6); changes > 0 && length > 0; changes--) {
    bytes[int(Math.min(length, 100))] = int(256);
  }
  // Control types that captures do not have.
  if (random() < 0.3 && length >= 16) bytes.set([0x80 | (random() < 0.1 ? 0x7f : 0), int(10), 0, int(6)]);
  return bytes;
}

function onlyTyped(parse: () => void): boolean {
  try {
    parse();
    return true;
  } catch (error) {
    assert.ok(error instanceof ProtocolError, String(error));
    return false;
  }
}

test(`${PACKETS} random and damaged packets: every parser says what is wrong, or reads them`, () => {
  const random = seededRandom(11);
  let read = 0;
  let refused = 0;
  for (let index = 0; index < PACKETS; index++) {
    const bytes = hostile(random);
    const parsers = [
      () => void decodePacket(bytes),
      () => void decodeHandshake(bytes),
      () => void decodeAck(bytes),
      () => readLossReport(bytes, () => {}),
      () => void decodeDropRequest(bytes),
      () => void decodeKeyMessage(bytes.subarray(16)),
    ];
    for (const parse of parsers) {
      if (onlyTyped(parse)) read++;
      else refused++;
    }
  }
  assert.ok(read > PACKETS && refused > PACKETS);
});

test(`${PACKETS} random and damaged packets: a running connection neither throws nor grows`, () => {
  let deaf = false;
  const network = new Network({
    caller: { passphrase: 'correcthorse' },
    listener: { passphrase: 'correcthorse' },
    lose: () => deaf,
  }).run(100);
  deaf = true;
  const random = seededRandom(12);
  const { caller } = network;
  const sequence = network.caller.agreement!.initialSequence;
  let heard = 0;
  const connection = caller;
  let now = network.now;
  const before = retained();
  for (let index = 0; index < PACKETS; index++) {
    const bytes = hostile(random);
    // Half of the data packets are near the numbers that are due.
    if (bytes.length >= 16 && bytes[0]! < 0x80 && random() < 0.5) {
      writeUint32(bytes, 0, (sequence + Math.floor(random() * 3000)) & 0x7fffffff);
      writeUint32(bytes, 8, connection.timestamp(now));
    }
    // A shutdown ends it, as it should: that is for another test.
    if (bytes[0] === 0x80 && bytes[1] === 5) continue;
    connection.receive(bytes, now);
    network.packets.length = 0;
    if (index % 7 === 0) connection.send(numbered(index), now);
    now += 0.05;
    if (connection.deadline <= now) connection.tick(now);
    heard++;
  }
  assert.ok(heard > 0.9 * PACKETS);
  assert.equal(connection.state, 'connected');
  assert.ok(connection.figures.malformed > 1000);
  const grown = retained() - before;
  assert.ok(grown < MAX_HELD_MIB, `${grown.toFixed(1)} MiB more`);
});

test(`${PACKETS} random and damaged packets: a caller that waits for an answer goes on waiting`, () => {
  const random = seededRandom(13);
  const connection = new SrtConnection({}, { onPacketOut() {} }, { socketId: 5, initialSequence: 9 }, 0);
  connection.tick(0);
  for (let index = 0; index < PACKETS; index++) {
    const bytes = hostile(random);
    // Answers that conclude or reject are not damaged, but another matter.
    if (bytes.length >= 64 && bytes[0] === 0x80 && bytes[1] === 0) bytes.set([0, 0, 0, 1], 36);
    connection.receive(bytes, 1);
  }
  assert.equal(connection.state, 'handshaking');
});

test('a flood of handshakes from addresses that do not listen leaves nothing behind', () => {
  let answers = 0;
  let longest = 0;
  const listener = new SrtListener(
    {},
    {
      onPacketOut() {},
      onAnswer(bytes) {
        answers++;
        longest = Math.max(longest, bytes.length);
      },
    },
    nodeCrypto.random,
  );
  const random = seededRandom(14);
  const induction = recorded.find((bytes) => bytes[0] === 0x80 && bytes[1] === 0)!;
  const conclusion = recorded.find(
    (bytes) => bytes[0] === 0x80 && bytes[1] === 0 && decodeHandshake(bytes).hs?.response === false,
  )!;
  for (let index = 0; index < PACKETS; index++) {
    const peer = { address: `10.${index & 255}.${(index >> 8) & 255}.1`, port: 1024 + (index % 60_000) };
    const guess = conclusion.slice();
    writeUint32(guess, 16 + 28, Math.floor(random() * 2 ** 32));
    listener.receive(index % 2 === 0 ? induction : guess, peer, index / 100);
  }
  assert.equal(listener.connections, 0);
  assert.equal(listener.halfOpen, 0);
  assert.equal(answers, PACKETS / 2);
  assert.equal(longest, induction.length, 'an answer is no longer than its request');
});

test('callers that echo their cookie and fall silent are bounded, and are forgotten', () => {
  const answers: ReturnType<typeof decodeHandshake>[] = [];
  const listener = new SrtListener(
    {},
    { onPacketOut() {}, onAnswer: (bytes) => answers.push(decodeHandshake(bytes)) },
    nodeCrypto.random,
    { maxHalfOpen: 10 },
  );
  const basic = decodeHandshake(recorded.find((bytes) => bytes[0] === 0x80 && bytes[1] === 0)!);
  const hs = { response: false, version: 0x010501, flags: 0xbf, receiverDelay: 120, senderDelay: 0 };
  const open = (socketId: number, now: number): number => {
    listener.receive(encodeHandshake({ ...basic, socketId }, 0, 0), PEER, now);
    const { cookie } = answers.at(-1)!;
    const conclusion = { ...basic, version: 5, type: HandshakeType.conclusion, socketId, cookie, hs };
    listener.receive(encodeHandshake(conclusion, 0, 0), PEER, now);
    return answers.at(-1)!.type;
  };
  for (let socketId = 1; socketId <= 10; socketId++)
    assert.equal(open(socketId, 0), HandshakeType.conclusion);
  assert.equal(open(11, 0), HandshakeType.failure + 5);
  assert.equal(open(3, 0), HandshakeType.conclusion, 'a repeated conclusion is answered again');
  assert.equal(listener.halfOpen, 10);
  listener.tick(6000);
  assert.equal(listener.halfOpen, 0);
  assert.equal(listener.connections, 0);
  assert.equal(open(12, 6000), HandshakeType.conclusion);
  // A cookie is of one address, and for two minutes at the most.
  const { cookie } = answers.at(-1)!;
  const late = { ...basic, version: 5, type: HandshakeType.conclusion, socketId: 13, cookie, hs };
  listener.receive(encodeHandshake(late, 0, 0), { ...PEER, port: 4001 }, 6000);
  listener.receive(encodeHandshake(late, 0, 0), PEER, 130_000);
  assert.equal(listener.connections, 1);
  assert.equal(listener.refused, 2);
});
