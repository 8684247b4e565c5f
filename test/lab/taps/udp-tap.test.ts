import assert from 'node:assert/strict';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { UdpLane } from '../../../lab/taps/udp-faults.ts';
import { UdpTap, type UdpTapOptions } from '../../../lab/taps/udp-tap.ts';

interface Bench {
  readonly tap: UdpTap;
  readonly client: Socket;
  /** Numbers in the order in which the target got them. */
  readonly got: number[];
  readonly sources: Set<number>;
  send(count: number): Promise<void>;
  /** Resolves when `is` holds. */
  until(is: () => boolean): Promise<void>;
}

/** A client that numbers its datagrams, a tap, and a target that sends each back. */
async function bench(t: TestContext, options: Partial<UdpTapOptions> = {}): Promise<Bench> {
  const got: number[] = [];
  const sources = new Set<number>();
  const target = createSocket('udp4', (datagram: Buffer, from: RemoteInfo) => {
    got.push(datagram.readUInt32BE(0));
    sources.add(from.port);
    target.send(datagram, from.port, from.address);
  });
  target.bind(0, '127.0.0.1');
  await once(target, 'listening');
  const tap = new UdpTap({
    from: 'client',
    to: 'target',
    listen: { host: '127.0.0.1', port: 0 },
    target: { host: '127.0.0.1', port: target.address().port },
    ...options,
  });
  await tap.listen();
  const client = createSocket('udp4');
  client.bind(0, '127.0.0.1');
  await once(client, 'listening');
  t.after(async () => {
    client.close();
    target.close();
    await tap.close();
  });
  let number = 0;
  return {
    tap,
    client,
    got,
    sources,
    async send(count) {
      for (let sent = 0; sent < count; sent++) {
        const datagram = Buffer.alloc(100);
        datagram.writeUInt32BE(number++);
        client.send(datagram, tap.address.port, '127.0.0.1');
        // No more at once than a socket holds.
        if (sent % 20 === 19) await new Promise((resolve) => setTimeout(resolve, 1));
      }
    },
    async until(is) {
      const late = performance.now() + 5000;
      while (!is()) {
        if (performance.now() > late) assert.fail(`counts: ${JSON.stringify(tap.counts('upstream'))}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
  };
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

test('a good link passes every datagram, in order, and counts both ways', async (t) => {
  const { tap, got, send, until, sources } = await bench(t);
  await send(200);
  await until(() => tap.counts('downstream').forwarded === 200);
  assert.deepEqual(got, numbers(200));
  assert.equal(tap.bytesUp, 20_000);
  assert.equal(tap.bytesDown, 20_000);
  assert.deepEqual([tap.open, tap.total, sources.size], [1, 1, 1]);
});

test('each client address has a socket of its own, up to a bound', async (t) => {
  const { tap, send, until, sources } = await bench(t, { maxClients: 2 });
  await send(1);
  for (let client = 0; client < 2; client++) {
    const other = createSocket('udp4');
    other.send(Buffer.alloc(4), tap.address.port, '127.0.0.1');
    await until(() => tap.total + tap.refused === client + 2);
    t.after(() => other.close());
  }
  await until(() => sources.size === 2);
  assert.deepEqual([tap.open, tap.refused], [2, 1]);
});

test('losses are counted exactly: each tenth, by what a datagram is, and by a seed that can be repeated', async (t) => {
  const every = await bench(t);
  every.tap.setFaults('upstream', { lossEvery: 10 });
  await every.send(200);
  await every.until(() => every.got.length === 180);
  assert.equal(every.tap.counts('upstream').lost, 20);
  assert.deepEqual(
    every.got,
    numbers(200).filter((number) => number % 10 !== 9),
  );

  const named = await bench(t);
  named.tap.setFaults('upstream', { lose: (datagram) => datagram[3]! < 5 });
  await named.send(100);
  await named.until(() => named.got.length === 95);
  assert.equal(named.tap.counts('upstream').lost, 5);
  assert.deepEqual(named.got, numbers(100).slice(5));

  const runs: number[][] = [];
  for (let run = 0; run < 2; run++) {
    const seeded = await bench(t, { seed: 42 });
    seeded.tap.setFaults('upstream', { loss: 0.2 });
    await seeded.send(300);
    await seeded.until(() => seeded.got.length + seeded.tap.counts('upstream').lost === 300);
    runs.push(seeded.got);
  }
  assert.deepEqual(runs[0], runs[1]);
  assert.ok(runs[0]!.length > 200 && runs[0]!.length < 280);
});

test('copies, overtaking, and a rate with a queue', async (t) => {
  const copies = await bench(t);
  copies.tap.setFaults('upstream', { duplicate: 0.5 });
  await copies.send(100);
  await copies.until(() => copies.got.length === 100 + copies.tap.counts('upstream').duplicated);
  assert.ok(copies.tap.counts('upstream').duplicated > 20);

  const mixed = await bench(t);
  mixed.tap.setFaults('upstream', { reorder: 0.1, reorderBy: 2 });
  await mixed.send(200);
  await mixed.until(() => mixed.got.length >= 195);
  assert.ok(mixed.tap.counts('upstream').reordered > 5);
  assert.notDeepEqual(
    mixed.got,
    mixed.got.toSorted((a, b) => a - b),
  );

  const narrow = await bench(t);
  narrow.tap.setFaults('upstream', { rate: 20_000, queueBytes: 2000 });
  await narrow.send(100);
  const counts = narrow.tap.counts('upstream');
  await narrow.until(() => narrow.got.length + counts.overflowed === 100);
  assert.ok(counts.overflowed > 50 && narrow.got.length >= 20);
});

interface Clocked {
  readonly lane: UdpLane;
  /** What went on, and when. */
  readonly went: [at: number, number: number][];
  /** 1000 bytes. */
  push(): void;
  passes(ms: number): void;
}

/** A lane on a clock of the test's own. */
function clocked(t: TestContext): Clocked {
  let clock = 1000;
  t.mock.method(performance, 'now', () => clock);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const lane = new UdpLane(Math.random);
  const went: [number, number][] = [];
  let number = 0;
  return {
    lane,
    went,
    push() {
      const own = number++;
      lane.push(Buffer.alloc(1000), () => went.push([clock, own]));
    },
    passes(ms) {
      for (let passed = 0; passed < ms; passed++) {
        clock++;
        t.mock.timers.tick(1);
      }
    },
  };
}

test('what waited for a limited link that was cut is in nobody’s way afterwards', (t) => {
  const { lane, went, push, passes } = clocked(t);
  lane.faults = { rate: 1000, queueBytes: 2000 };
  for (let sent = 0; sent < 4; sent++) push();
  assert.equal(lane.counts.overflowed, 1);
  lane.isCut = true;
  lane.drop();
  lane.isCut = false;
  push();
  passes(1000);
  assert.deepEqual(went, [[2000, 4]]);
  assert.deepEqual([lane.counts.overflowed, lane.counts.cut], [1, 3]);
});

test('what waits for a limited link goes at its new rate, and at once when there is none any more', (t) => {
  const { lane, went, push, passes } = clocked(t);
  lane.faults = { rate: 1000, queueBytes: 3000, delay: 50 };
  for (let sent = 0; sent < 3; sent++) push();
  lane.faults = { rate: 10_000, queueBytes: 3000, delay: 50 };
  push();
  passes(250);
  assert.deepEqual(went, [
    [1150, 0],
    [1250, 1],
  ]);
  lane.faults = { delay: 50 };
  push();
  passes(50);
  assert.deepEqual(went.slice(2), [
    [1300, 2],
    [1300, 3],
    [1300, 4],
  ]);
  assert.equal(lane.counts.overflowed, 0);
});

test('delay with jitter holds back and lets overtake; a cut lets nothing pass until it is mended', async (t) => {
  const slow = await bench(t);
  slow.tap.setFaults('upstream', { delay: 100, jitter: 50 });
  const from = performance.now();
  await slow.send(50);
  await slow.until(() => slow.got.length > 0);
  assert.ok(performance.now() - from >= 49);
  await slow.until(() => slow.got.length === 50);
  assert.notDeepEqual(slow.got, numbers(50));

  const { tap, got, send, until } = await bench(t);
  await send(5);
  await until(() => got.length === 5);
  tap.cut();
  await send(5);
  await until(() => tap.counts('upstream').cut === 5);
  tap.restore();
  await send(5);
  await until(() => got.length === 10);
  assert.deepEqual(got.slice(5), [10, 11, 12, 13, 14]);
});
