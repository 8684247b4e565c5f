import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeCrypto } from '../../../drivers/srt/crypto.ts';
import { seededRandom } from '../../../lab/taps/udp-faults.ts';
import type { SrtConnection } from '../../../protocols/srt/connection.ts';
import { decodeAck, decodeDropRequest, readLossReport } from '../../../protocols/srt/control.ts';
import { HandshakeType, MTU } from '../../../protocols/srt/handshake.ts';
import {
  ControlType,
  controlSubtypeOf,
  controlTypeOf,
  HEADER_SIZE,
  isControl,
  isRetransmitted,
  keyFlagOf,
  sequenceOf,
} from '../../../protocols/srt/packet.ts';
import { RejectReason, rejectionName, rejectionOf } from '../../../protocols/srt/rejection.ts';
import { Network, numbered } from './network.ts';

const isData = (packet: Uint8Array): boolean => !isControl(packet);
const isType = (packet: Uint8Array, type: number): boolean =>
  isControl(packet) && controlTypeOf(packet) === type;

/** What sends a numbered message every so many ms, and how many it has sent. */
function sending(from: () => SrtConnection, everyMs = 10) {
  const sender = {
    sent: 0,
    each(now: number): void {
      if (now % everyMs === 0) from().send(numbered(sender.sent++), now);
    },
  };
  return sender;
}

const count = (n: number): number[] => Array.from({ length: n }, (_, index) => index);

test('a caller connects, says its stream id, and both ends agree on the greater latency', () => {
  let asked = '';
  const network = new Network({
    caller: { streamId: '#!::r=live/x,m=publish', latencyMs: 200 },
    listener: { latencyMs: 80, peerLatencyMs: 350 },
    handler: {
      onRequest: ({ streamId }) => {
        asked = streamId;
        return { accept: true };
      },
    },
  }).run(100);
  assert.equal(asked, '#!::r=live/x,m=publish');
  assert.equal(network.caller.state, 'connected');
  assert.equal(network.caller.agreement?.receiveLatencyMs, 350);
  assert.equal(network.caller.agreement?.sendLatencyMs, 80);
});

test('messages come whole, in order and at their time, through the wrap of numbers, both ways', () => {
  const network = new Network({ initialSequence: 0x7fffffff - 40, caller: { latencyMs: 150 } }).run(50);
  const sent: number[] = [];
  let next = 0;
  network.run(2000, (now) => {
    if (now % 20 !== 0) return;
    sent.push(now);
    assert.ok(network.accepted!.send(numbered(next), now));
    assert.ok(network.caller.send(numbered(next), now));
    next++;
  });
  network.run(500);
  assert.deepEqual(
    network.atCaller.map(({ number }) => number),
    count(next),
  );
  assert.deepEqual(
    network.atListener.map(({ number }) => number),
    count(next),
  );
  for (const { number, at } of network.atCaller) {
    const took = at - sent[number]!;
    assert.ok(took >= 150 && took <= 150 + 20, `message ${number} was played after ${took} ms`);
  }
  assert.equal(network.caller.figures.packetsLost, 0);
  assert.equal(network.caller.figures.retransmitsReceived, 0);
  assert.ok(Math.abs(network.caller.roundTrip.rtt - 10) <= 2, `rtt ${network.caller.roundTrip.rtt}`);
});

test('what is lost comes again in time: 10 % both ways, jitter, and nothing is missing', () => {
  const random = seededRandom(7);
  const network = new Network({
    caller: { latencyMs: 400 },
    lose: () => random() < 0.1,
    delay: () => 20 + random() * 30,
  }).run(1500);
  const sender = sending(() => network.accepted!);
  network.run(10_000, sender.each);
  network.run(1500);
  assert.deepEqual(
    network.atCaller.map(({ number }) => number),
    count(sender.sent),
  );
  const { figures } = network.caller;
  assert.ok(figures.retransmitsReceived > 50);
  assert.equal(figures.packetsDropped, 0);
});

test('without latency nothing waits: the lost are just those that were lost on the way', () => {
  let lost = 0;
  const random = seededRandom(3);
  const network = new Network({
    caller: { latencyMs: 0 },
    lose: (packet, up) => {
      const gone = !up && isData(packet) && random() < 0.05;
      if (gone && !isRetransmitted(packet)) lost++;
      return gone;
    },
  }).run(50);
  const sender = sending(() => network.accepted!, 5);
  network.run(10_000, sender.each);
  network.run(500);
  const { figures } = network.caller;
  assert.ok(lost > 50);
  assert.equal(figures.packetsLost, lost);
  assert.equal(figures.packetsDropped, sender.sent - network.atCaller.length);
  assert.ok(figures.packetsDropped > lost / 2);
});

test('without latency, what is overtaken is dropped, and belated when it comes', () => {
  let slow = false;
  let sent = 0;
  let overtaken = 0;
  const network = new Network({
    caller: { latencyMs: 0 },
    lose: (packet, up) => {
      slow = !up && isData(packet) && !isRetransmitted(packet) && ++sent % 10 === 0;
      if (slow) overtaken++;
      return false;
    },
    delay: () => (slow ? 40 : 5),
  }).run(50);
  const sender = sending(() => network.accepted!);
  network.run(2000, sender.each);
  // So that something follows the last of them.
  network.accepted!.send(numbered(sender.sent++), network.now);
  network.run(500);
  const { packetsDropped, packetsBelated, packetsLost } = network.caller.figures;
  assert.equal(overtaken, 20);
  assert.deepEqual([packetsLost, packetsDropped], [overtaken, overtaken]);
  // Each twice: it was asked for again before it came.
  assert.equal(packetsBelated, 2 * overtaken);
  assert.equal(network.atCaller.length, sender.sent - overtaken);
});

test('a packet that nothing follows is sent again', () => {
  let first = true;
  const network = new Network({
    lose: (packet, up) => {
      const gone = !up && isData(packet) && first;
      if (gone) first = false;
      return gone;
    },
  }).run(50);
  network.accepted!.send(numbered(9), network.now);
  network.run(1000);
  assert.deepEqual(
    network.atCaller.map(({ number }) => number),
    [9],
  );
});

test('a sender gives up what is older than a second, and tells', () => {
  let cut = false;
  const network = new Network({ lose: (_packet, up) => cut && up }).run(50);
  cut = true;
  const sender = sending(() => network.accepted!);
  network.run(3000, sender.each);
  assert.ok(network.accepted!.figures.sendDropped > 100);
  assert.ok(network.packets.some(({ up, packet }) => !up && isType(packet, ControlType.dropRequest)));
  // The other direction was whole, and is not harmed by being told.
  network.run(500);
  assert.deepEqual(
    network.atCaller.map(({ number }) => number),
    count(sender.sent),
  );
});

test('light acknowledgements let a sender go on between two full ones', () => {
  const acks: { number: number; size: number; next: number; at: number }[] = [];
  const network = new Network({
    listener: { flowWindow: 256 },
    lose: (packet, up, now) => {
      if (up && isType(packet, ControlType.ack)) {
        const { number, next } = decodeAck(packet);
        acks.push({ number, next, size: packet.length - HEADER_SIZE, at: now });
      }
      return false;
    },
  }).run(50);
  const { accepted } = network;
  const from = network.now;
  for (let number = 0; number < 256; number++) assert.ok(accepted!.send(numbered(number), from));
  assert.equal(accepted!.backlog, 0, 'all left within the interval');
  assert.equal(accepted!.send(numbered(256), from), false, 'all are unacknowledged');
  // There in 5 ms, and back in 5 more; the full one is due 10 ms after the first packet.
  network.run(10);
  assert.deepEqual(
    acks,
    [65, 129, 193, 257].map((next) => ({ number: 0, size: 4, next, at: from + 5 })),
  );
  for (let number = 256; number < 512; number++)
    assert.ok(accepted!.send(numbered(number), network.now), `room for ${number}`);
  assert.equal(accepted!.send(numbered(512), network.now), false, 'and for no more');
  network.run(10);
  const full = acks.filter(({ number }) => number !== 0);
  assert.deepEqual(
    full.map(({ number, size, at }) => ({ number, size, at })),
    [{ number: 1, size: 28, at: from + 15 }],
  );
  // Light ones are not acknowledged in turn.
  const answers = network.packets.filter(({ up, packet }) => !up && isType(packet, ControlType.ackAck));
  assert.equal(answers.length, full.length);
  network.run(500);
  assert.deepEqual(
    network.atCaller.map(({ number }) => number),
    count(512),
  );
});

test('what the sender gave up during a cut of one way is not asked for again, and the rest is played', () => {
  let cut = false;
  /** By the drop requests after the cut, and when the last of them was sent. */
  let gone: { first: number; last: number; at: number } | undefined;
  const askedFor: { first: number; last: number; at: number }[] = [];
  const network = new Network({
    caller: { latencyMs: 400 },
    lose: (packet, up, now) => {
      if (up && isType(packet, ControlType.nak))
        readLossReport(packet, (first, last) => askedFor.push({ first, last, at: now }));
      if (up || cut) return !up && cut;
      if (isType(packet, ControlType.dropRequest)) {
        const { first, last } = decodeDropRequest(packet);
        gone = { first: Math.min(first, gone?.first ?? first), last, at: now };
      }
      return false;
    },
  }).run(50);
  const sender = sending(() => network.accepted!);
  network.run(500, sender.each);
  cut = true;
  network.run(2000, sender.each);
  cut = false;
  const mendedAt = network.now;
  // Well before the latency is over for what came first after the cut.
  network.run(200, sender.each);
  assert.ok(gone !== undefined);
  const { first, last, at: toldAt } = gone;
  assert.ok(last - first > 50, `${last - first + 1} given up`);
  assert.ok(
    askedFor.some((one) => one.at >= mendedAt && one.first <= first && one.last >= last - 10),
    'it was asked for once',
  );
  // The request takes 5 ms; what is asked for before it has come is another matter.
  const again = askedFor.filter((one) => one.at > toldAt + 5 && one.first <= last && one.last >= first);
  assert.deepEqual(again, []);
  const played = network.atCaller.filter(({ at }) => at >= mendedAt).map(({ number }) => number);
  const from = played[0]!;
  // The first sequence number is 1, that of the messages 0. What was given up last had just been sent again.
  assert.ok(last - from < 5, `played from ${from} on, given up to ${last - 1}`);
  assert.deepEqual(
    played,
    count(played.length).map((index) => from + index),
  );
  assert.ok(played.length > 50, `${played.length} played`);
  const { packetsDropped } = network.caller.figures;
  assert.equal(packetsDropped, from - (first - 1));
  network.run(1000, sender.each);
  network.run(500);
  assert.equal(network.atCaller.at(-1)?.number, sender.sent - 1);
  assert.equal(network.atCaller.length + packetsDropped, sender.sent);
  assert.equal(network.caller.figures.packetsDropped, packetsDropped);
});

test('after a long cut a receiver goes on where the sender is', () => {
  let cut = false;
  const network = new Network({
    caller: { flowWindow: 64, peerIdleTimeoutMs: 30_000 },
    listener: { peerIdleTimeoutMs: 30_000 },
    lose: () => cut,
  }).run(50);
  const sender = sending(() => network.accepted!);
  network.run(500, sender.each);
  cut = true;
  network.run(4000, sender.each);
  cut = false;
  network.run(2000, sender.each);
  const from = sender.sent;
  network.run(1000, sender.each);
  assert.ok(network.atCaller.some(({ number }) => number >= from));
  const numbers = network.atCaller.map(({ number }) => number);
  assert.deepEqual(
    numbers,
    numbers.toSorted((a, b) => a - b),
  );
});

for (const keyBytes of [16, 24, 32] as const) {
  test(`encrypted with AES-${keyBytes * 8}, keys are renewed on the way`, () => {
    const secret = { passphrase: 'correcthorse' };
    const network = new Network({
      caller: { ...secret, keyBytes, keyRefreshPackets: 50, keyAnnouncePackets: 20 },
      listener: { ...secret },
    }).run(50);
    const sender = sending(() => network.caller);
    network.run(2000, sender.each);
    network.run(300);
    assert.deepEqual(
      network.atListener.map(({ number }) => number),
      count(sender.sent),
    );
    assert.equal(network.accepted!.figures.packetsUndecryptable, 0);
    const data = network.packets.filter(({ up, packet }) => up && isData(packet));
    assert.deepEqual(new Set(data.map(({ packet }) => keyFlagOf(packet))), new Set([1, 2]));
    assert.ok(data.every(({ packet }) => !Buffer.from(packet.subarray(16)).equals(Buffer.from(numbered(0)))));
    const keyed = network.packets.filter(({ packet }) => isType(packet, ControlType.userDefined));
    assert.deepEqual(new Set(keyed.map(({ packet }) => controlSubtypeOf(packet))), new Set([3, 4]));
  });
}

test('a wrong passphrase, none, and one too many are rejected with their reasons', () => {
  const refused = (caller: string | undefined, listener: string | undefined): string | undefined => {
    const network = new Network({ caller: { passphrase: caller }, listener: { passphrase: listener } }).run(
      100,
    );
    assert.equal(network.listener.connections, 0);
    return network.callerClosed?.code;
  };
  assert.equal(refused('correcthorse', 'batterystaple'), 'srt.rejected.bad-secret');
  assert.equal(refused(undefined, 'batterystaple'), 'srt.rejected.unsecure');
  assert.equal(refused('correcthorse', undefined), 'srt.rejected.unsecure');
});

test('a listener may refuse with reasons of its own', () => {
  const network = new Network({
    handler: { onRequest: () => ({ accept: false, reason: RejectReason.notFound }) },
  }).run(100);
  assert.equal(network.callerClosed?.code, 'srt.rejected.not-found');
  assert.equal(network.callerClosed?.reason, 1404);
  assert.equal(rejectionName(2999), '2999');
  assert.equal(rejectionOf(HandshakeType.conclusion), undefined);
  assert.equal(rejectionOf(HandshakeType.failure + 10), RejectReason.badSecret);
});

test('handshakes that are lost are repeated; without an answer the caller gives up', () => {
  let left = 3;
  const network = new Network({ lose: (packet) => isType(packet, ControlType.handshake) && left-- > 0 }).run(
    2000,
  );
  assert.equal(network.caller.state, 'connected');
  assert.equal(network.listener.connections, 1);
  const deaf = new Network({ caller: { connectTimeoutMs: 1000 }, lose: () => true }).run(1100);
  assert.equal(deaf.callerClosed?.code, 'srt.timeout.handshake');
  assert.equal(deaf.packets.length, 4);
});

test('a quiet connection is kept alive; a peer that is gone is noticed', () => {
  let cut = false;
  const network = new Network({ lose: () => cut }).run(20_000);
  assert.equal(network.caller.state, 'connected');
  cut = true;
  network.run(4000);
  assert.equal(network.caller.state, 'connected');
  network.run(2500);
  assert.equal(network.callerClosed?.code, 'srt.peer-idle');
  assert.equal(network.acceptedClosed?.code, 'srt.peer-idle');
  assert.equal(network.listener.connections, 0);
});

test('what was received is played after the peer has shut down; close is idempotent', () => {
  const network = new Network({ caller: { latencyMs: 300 } }).run(50);
  network.accepted!.send(numbered(1), network.now);
  network.run(20);
  network.accepted!.close(network.now);
  network.accepted!.close(network.now);
  assert.equal(network.acceptedClosed?.code, 'srt.local');
  network.run(100);
  assert.equal(network.caller.state, 'draining');
  network.run(300);
  assert.deepEqual(
    network.atCaller.map(({ number }) => number),
    [1],
  );
  assert.equal(network.callerClosed?.code, 'srt.shutdown');
  assert.equal(network.caller.send(numbered(2), network.now), false);
});

test('where nothing is given up, a peer that shuts down ends the wait for what it has not sent again', () => {
  const network = new Network({
    listener: { tooLateDrop: false },
    lose: (packet, up) => !up && isData(packet) && sequenceOf(packet) === 2,
  }).run(50);
  for (let number = 0; number < 4; number++) network.accepted!.send(numbered(number), network.now);
  network.run(500);
  assert.deepEqual(
    network.atCaller.map(({ number }) => number),
    [0],
  );
  network.accepted!.close(network.now);
  network.run(100);
  assert.deepEqual(
    network.atCaller.map(({ number }) => number),
    [0, 2, 3],
  );
  assert.equal(network.caller.figures.packetsDropped, 1);
  assert.equal(network.callerClosed?.code, 'srt.shutdown');
});

test('after a silence of forty minutes messages still come at their time', () => {
  const network = new Network({ caller: { latencyMs: 150 } }).run(50);
  network.accepted!.send(numbered(0), network.now);
  network.run(300);
  // More than half of the 71 minutes after which timestamps wrap: they look as if they had gone back.
  for (const until = network.now + 40 * 60_000; network.now < until; ) {
    network.now += 99;
    network.run(1);
  }
  const sentAt = network.now;
  network.accepted!.send(numbered(1), sentAt);
  network.run(500);
  assert.equal(network.atCaller.at(-1)?.number, 1);
  const took = network.atCaller.at(-1)!.at - sentAt;
  assert.ok(took >= 150 && took <= 170, `played after ${took} ms`);
});

test('packets leave at the pace of the bandwidth', () => {
  const network = new Network({ listener: { maxBandwidth: 100_000 } }).run(50);
  const from = network.now;
  for (let number = 0; number < 50; number++) network.accepted!.send(numbered(number), network.now);
  assert.ok(network.accepted!.backlog > 40 * 1316);
  network.run(2000);
  assert.equal(network.accepted!.backlog, 0);
  const last = network.atCaller.at(-1)!;
  assert.equal(last.number, 49);
  // 50 packets of 1360 bytes with all headers at 100 000 bytes per second.
  const took = last.at - from;
  assert.ok(took > 600 && took < 900, `${took} ms`);
});

for (const [what, everyMs, options, bytesPerSecond] of [
  // 1360 bytes with all headers every 10 ms are 136 000 bytes per second.
  ['the measured input and a quarter more', 10, { overheadPercent: 25 }, 170_000],
  ['the bandwidth, if the input is more', 20, { overheadPercent: 100, maxBandwidth: 100_000 }, 100_000],
  ['the least input that is reckoned with', 200, { overheadPercent: 100 }, 50_000],
] as const) {
  test(`packets leave at the pace of ${what}`, () => {
    const network = new Network({ listener: options }).run(50);
    const { accepted } = network;
    const sender = sending(() => accepted!, everyMs);
    // It is measured once a second.
    network.run(1500, sender.each);
    assert.equal(accepted!.backlog, 0, 'the input itself is not held up');
    const from = network.now;
    for (let number = 0; number < 30; number++) accepted!.send(numbered(sender.sent++), from);
    let last = Number.NaN;
    network.run(1000, (now) => {
      if (Number.isNaN(last) && accepted!.backlog === 0) last = now;
    });
    network.run(500);
    assert.equal(network.atCaller.length, sender.sent);
    // From the first packet to the last; a burst of up to 15 ms is let by.
    const expected = ((29 * 1360) / bytesPerSecond) * 1000;
    const took = last - from;
    assert.ok(took > expected - 17 && took < expected + 2, `${took} ms, not ${expected.toFixed(0)}`);
  });
}

test('data packets are as long as they may be and numbered one by one', () => {
  const network = new Network().run(50);
  for (let number = 0; number < 5; number++) network.caller.send(numbered(number), network.now);
  const data = network.packets.filter(({ packet }) => isData(packet)).map(({ packet }) => packet);
  assert.deepEqual(data.map(sequenceOf), [1, 2, 3, 4, 5]);
  assert.ok(data.every((packet) => packet.length + 28 <= MTU));
  assert.equal(nodeCrypto.random(4).length, 4);
});
