import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SrtState } from '../../../protocols/srt/connection.ts';
import { PacketPool } from '../../../protocols/srt/packet-pool.ts';
import { Network, numbered } from './network.ts';

test('a copy is a copy, and its memory is used again for a packet of its size', () => {
  const pool = new PacketPool(10_000);
  const packet = Uint8Array.of(1, 2, 3);
  const copy = pool.copy(packet);
  packet[0] = 9;
  assert.deepEqual([...copy], [1, 2, 3]);
  pool.release(copy);
  assert.notEqual(pool.copy(new Uint8Array(4)), copy);
  const again = pool.copy(Uint8Array.of(4, 5, 6));
  assert.equal(again, copy);
  assert.deepEqual([...again], [4, 5, 6]);
});

test('no more than its limit is kept', () => {
  const pool = new PacketPool(2000);
  const copies = [1000, 1000, 1000].map((size) => pool.copy(new Uint8Array(size)));
  for (const copy of copies) pool.release(copy);
  const taken = copies.map(() => pool.copy(new Uint8Array(1000)));
  assert.equal(taken.filter((copy) => copies.includes(copy)).length, 2);
});

test('with a pool all is played as without one, though every datagram is written over at once', () => {
  let count = 0;
  const network = new Network({
    caller: { pool: new PacketPool(1_000_000) },
    lose: (packet, up) => !up && (packet[0]! & 0x80) === 0 && ++count % 20 === 0,
  });
  const receive = network.caller.receive.bind(network.caller);
  network.caller.receive = (packet, now) => {
    receive(packet, now);
    packet.fill(0xff);
  };
  network.run(100);
  let number = 0;
  network.run(2000, () => {
    if (number < 1000) network.accepted!.send(numbered(number++), network.now);
  });
  assert.deepEqual(
    network.atCaller.map((played) => played.number),
    Array.from({ length: 1000 }, (_, index) => index),
  );
  assert.ok(network.caller.figures.packetsLost > 0);
});

test('who closes when a message is played gets no more of them', () => {
  const network = new Network({ caller: { pool: new PacketPool(1_000_000) } });
  network.run(100);
  for (let number = 0; number < 10; number++) network.accepted!.send(numbered(number), network.now);
  const played = network.atCaller;
  const push = played.push.bind(played);
  played.push = (...items) => {
    network.caller.close(network.now);
    return push(...items);
  };
  network.run(500);
  assert.equal(played.length, 1);
  assert.equal(network.caller.state, SrtState.closed);
});

test('with a pool and loss that is not made good, what is played is the same as without one, to the last byte', () => {
  /** Numbers from 0 to 1, the same in each run. */
  const chances = (): (() => number) => {
    let state = 12_345;
    return () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return state / 2 ** 32;
    };
  };
  const run = (pool: PacketPool | undefined) => {
    const chance = chances();
    const played: number[] = [];
    let spoilt = 0;
    let lossy = false;
    const network = new Network({
      caller: { pool, latencyMs: 40 },
      listener: { latencyMs: 40 },
      delay: () => 5 + Math.floor(chance() * 10),
      lose: () => lossy && chance() < 0.25,
      onCallerData: (bytes, start) => {
        const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(start);
        played.push(number);
        if (bytes.subarray(start + 4).some((byte) => byte !== (number & 0xff))) spoilt++;
      },
    });
    const receive = network.caller.receive.bind(network.caller);
    network.caller.receive = (packet, now) => {
      receive(packet, now);
      if (pool !== undefined) packet.fill(0xee);
    };
    network.run(200);
    lossy = true;
    let number = 0;
    network.run(3000, () => {
      const payload = numbered(number, 200 + (number % 3) * 500);
      payload.fill(number & 0xff, 4);
      network.accepted!.send(payload, network.now);
      number++;
    });
    return { played, spoilt, dropped: network.caller.figures.packetsDropped };
  };
  const [pooled, plain] = [run(new PacketPool(100_000)), run(undefined)];
  assert.deepEqual([pooled.spoilt, plain.spoilt], [0, 0]);
  assert.ok(pooled.dropped > 10 && pooled.played.length > 1000, `${pooled.dropped} ${pooled.played.length}`);
  assert.deepEqual(pooled.played, plain.played);
});
