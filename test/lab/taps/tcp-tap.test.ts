import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, it } from 'node:test';
import type { TapEvent, Toxic } from '../../../lab/cluster.ts';
import { TcpTap } from '../../../lab/taps/tcp-tap.ts';
import { createStage } from '../../../lab/taps/toxics.ts';

const CLIENT_ADDRESS = '127.0.9.9';
/** What sockets and timers may add to a delay of ours, while this process is not held up. */
const SLACK_MS = 60;
const SLICER = { type: 'slicer', averageSize: 100, sizeVariation: 20, delay: 15 } as const;

/**
 * What this process was held up for, in ms: by a timer, whose lateness the tap, its server and its client share, as all are
 * here. Timers are late by some ms even where nobody else wants the CPU.
 */
const TICK_MS = 5;
let heldMs = 0;
let tickedAt = performance.now();
setInterval(() => {
  const gap = performance.now() - tickedAt;
  tickedAt += gap;
  heldMs += heldIn(gap);
}, TICK_MS).unref();

function heldIn(gap: number): number {
  return gap > 2 * TICK_MS ? gap - TICK_MS : 0;
}

interface Span {
  readonly ms: number;
  /** Of these, held up. */
  readonly heldMs: number;
}

/** The returned function tells what has gone by. */
function stopwatch(): () => Span {
  const [began, before] = [performance.now(), heldUntilNow()];
  return () => ({ ms: performance.now() - began, heldMs: heldUntilNow() - before });
}

/** Sockets may be heard before the tick that is late. */
function heldUntilNow(): number {
  return heldMs + heldIn(performance.now() - tickedAt);
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A server on loopback and a tap in front of it. */
async function tapTo(
  onConnection: (socket: net.Socket) => void,
): Promise<{ tap: TcpTap; server: net.Server }> {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    cleanups.push(() => socket.destroy());
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => server.close());
  const tap = new TcpTap({
    from: 'edge-1',
    to: 'origin',
    listen: { host: '127.0.0.1', port: 0 },
    target: { host: '127.0.0.1', port: (server.address() as net.AddressInfo).port },
    localAddress: CLIENT_ADDRESS,
  });
  await tap.listen();
  cleanups.push(() => tap.close());
  return { tap, server };
}

const echo = (socket: net.Socket): void => {
  socket.pipe(socket);
};

async function dial(tap: TcpTap): Promise<net.Socket> {
  const socket = net.connect({ ...tap.address, allowHalfOpen: true, noDelay: true });
  cleanups.push(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Resolves with the next `length` bytes. */
function read(socket: net.Socket, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let got = Buffer.alloc(0);
    socket.on('error', reject);
    socket.on('end', () => reject(new Error(`ended after ${got.length} of ${length} bytes`)));
    socket.on('data', (bytes) => {
      got = Buffer.concat([got, bytes]);
      if (got.length >= length) resolve(got);
    });
  });
}

/** Until a byte that is sent comes back. */
async function roundTrip(socket: net.Socket): Promise<Span> {
  const elapsed = stopwatch();
  const answer = once(socket, 'data');
  socket.write('x');
  await answer;
  return elapsed();
}

function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 1) bytes[at] = (at * 31 + (at >> 8)) & 255;
  return bytes;
}

function within(actual: number, least: number, most: number, what: string): void {
  assert.ok(
    actual >= least && actual <= most,
    `${what}: expected ${least} to ${most}, got ${actual.toFixed(1)}`,
  );
}

/** Later by as much as this process was held up meanwhile. */
function inTime(span: Span, least: number, most: number, what: string): void {
  within(span.ms, least, most + span.heldMs, what);
}

/** Resolves at the next event of this type. */
function nextEvent(tap: TcpTap, type: TapEvent['type']): Promise<TapEvent> {
  return new Promise((resolve) => {
    const end = tap.subscribe((event) => {
      if (event.type !== type) return;
      end();
      resolve(event);
    });
  });
}

describe('a tap without toxics', () => {
  it('passes every byte both ways, counts them, and shows the client by its own address', async () => {
    const { tap, server } = await tapTo(echo);
    const accepted = once(server, 'connection');
    const opened = nextEvent(tap, 'open');
    const socket = await dial(tap);
    const [peer] = (await accepted) as [net.Socket];
    assert.equal(peer.remoteAddress, CLIENT_ADDRESS);
    assert.deepEqual(
      { ...(await opened), at: 0 },
      { tap: 'edge-1>origin', carries: 'rtmp', type: 'open', connection: 1, at: 0, open: 1 },
    );
    const sent = pattern(3_000_000);
    socket.write(sent);
    assert.ok((await read(socket, sent.length)).equals(sent));
    assert.equal(tap.bytesUp, sent.length);
    assert.equal(tap.bytesDown, sent.length);
    const closed = nextEvent(tap, 'close');
    socket.end();
    assert.equal((await closed).open, 0);
    assert.equal(tap.open, 0);
    assert.equal(tap.total, 1);
  });

  it('passes a half-close on, and what comes after it the other way', async () => {
    const { tap } = await tapTo((socket) => {
      let got = '';
      socket.on('data', (bytes) => {
        got += bytes;
      });
      socket.on('end', () => socket.end(`you said ${got}`));
    });
    const socket = await dial(tap);
    socket.end('hello');
    assert.equal(String(await read(socket, 14)), 'you said hello');
  });

  it('passes a reset on at once, in both directions', async () => {
    const { tap, server } = await tapTo(() => {});
    const first = once(server, 'connection');
    const client = await dial(tap);
    const [peer] = (await first) as [net.Socket];
    const peerError = once(peer, 'error');
    client.resetAndDestroy();
    assert.equal(((await peerError) as unknown as [NodeJS.ErrnoException])[0].code, 'ECONNRESET');

    const second = once(server, 'connection');
    const other = await dial(tap);
    const [otherPeer] = (await second) as [net.Socket];
    const clientError = once(other, 'error');
    otherPeer.resetAndDestroy();
    assert.equal(((await clientError) as unknown as [NodeJS.ErrnoException])[0].code, 'ECONNRESET');
  });

  it('does not read more than it can pass on', async () => {
    const { tap, server } = await tapTo((socket) => socket.pause());
    const accepted = once(server, 'connection');
    const socket = await dial(tap);
    const [peer] = (await accepted) as [net.Socket];
    const block = Buffer.alloc(1024 * 1024);
    let written = 0;
    while (socket.write(block) || socket.writableLength < 64 * block.length) written += 1;
    // The kernel takes some MB on each of the two connections; the rest must wait at the sender.
    await assertStops(() => tap.bytesUp);
    assert.ok(
      tap.bytesUp < written * block.length,
      `${tap.bytesUp} of ${written * block.length} bytes were read`,
    );
    assert.ok(socket.writableLength > 0);
    peer.resume();
    await once(socket, 'drain');
  });

  it('resets a client, and tells it, when the target refuses', async () => {
    const { tap, server } = await tapTo(echo);
    server.close();
    const refused = nextEvent(tap, 'refused');
    const socket = net.connect(tap.address);
    const error = once(socket, 'error');
    assert.equal((await refused).open, 0);
    assert.equal(((await error) as unknown as [NodeJS.ErrnoException])[0].code, 'ECONNRESET');
    assert.equal(tap.total, 0);
  });

  it('carries 200 connections at once', async () => {
    const { tap } = await tapTo(echo);
    const count = 200;
    const sockets = await Promise.all(Array.from({ length: count }, () => dial(tap)));
    const message = pattern(1000);
    await Promise.all(
      sockets.map(async (socket) => {
        const answer = read(socket, message.length);
        socket.write(message);
        assert.ok((await answer).equals(message));
      }),
    );
    assert.equal(tap.open, count);
    assert.equal(tap.total, count);
    assert.equal(tap.bytesUp, count * message.length);
    assert.equal(tap.bytesDown, count * message.length);
    const allClosed = new Promise<void>((resolve) => {
      tap.subscribe((event) => {
        if (event.open === 0) resolve();
      });
    });
    for (const socket of sockets) socket.end();
    await allClosed;
  });
});

describe('cut and restore', () => {
  it('resets what is open, refuses what comes, and passes again', async () => {
    const { tap } = await tapTo(echo);
    const socket = await dial(tap);
    await roundTrip(socket);
    const reset = once(socket, 'error');
    tap.cut();
    assert.equal(((await reset) as unknown as [NodeJS.ErrnoException])[0].code, 'ECONNRESET');
    const refused = nextEvent(tap, 'refused');
    const late = net.connect(tap.address);
    const lateReset = once(late, 'error');
    await refused;
    await lateReset;
    assert.equal(tap.open, 0);
    tap.restore();
    await roundTrip(await dial(tap));
    assert.equal(tap.total, 2);
  });
});

describe('toxics', () => {
  it('latency adds that delay, in its direction only, and in both when it is there twice', async () => {
    const { tap } = await tapTo(echo);
    const socket = await dial(tap);
    const before = await roundTrip(socket);
    inTime(before, 0, SLACK_MS, 'without a toxic');
    const removeUp = tap.addToxic('upstream', { type: 'latency', latency: 80 });
    inTime(await roundTrip(socket), 80, 80 + SLACK_MS, 'one direction');
    tap.addToxic('downstream', { type: 'latency', latency: 50 });
    inTime(await roundTrip(socket), 130, 130 + SLACK_MS, 'both directions');
    removeUp();
    inTime(await roundTrip(socket), 50, 50 + SLACK_MS, 'the other direction');
  });

  it('latency is the same for every byte of a burst, and keeps order when it jitters', async () => {
    const { tap } = await tapTo(echo);
    tap.addToxic('downstream', { type: 'latency', latency: 40, jitter: 30 });
    const socket = await dial(tap);
    const sent = pattern(500_000);
    const elapsed = stopwatch();
    const answer = read(socket, sent.length);
    for (let at = 0; at < sent.length; at += 10_000) socket.write(sent.subarray(at, at + 10_000));
    assert.ok((await answer).equals(sent));
    inTime(elapsed(), 10, 70 + SLACK_MS, 'the whole burst');
  });

  it('latency holds a half-close back as long as bytes', async () => {
    const { tap } = await tapTo((socket) => socket.on('end', () => socket.end()).resume());
    tap.addToxic('upstream', { type: 'latency', latency: 80 });
    const socket = await dial(tap);
    socket.resume();
    const elapsed = stopwatch();
    socket.end('bye');
    await once(socket, 'end');
    inTime(elapsed(), 80, 80 + SLACK_MS, 'half-close');
  });

  it('passes a reset at once whatever is held', async () => {
    const { tap, server } = await tapTo((socket) => socket.resume());
    tap.addToxic('upstream', { type: 'latency', latency: 10_000 });
    const accepted = once(server, 'connection');
    const socket = await dial(tap);
    const [peer] = (await accepted) as [net.Socket];
    const reset = once(peer, 'error');
    socket.write('held');
    socket.resetAndDestroy();
    await reset;
    assert.equal(tap.bytesUp, 0);
  });

  it('bandwidth gives out bytes at that rate, and the sender feels it', async () => {
    const { tap } = await tapTo(echo);
    const remove = tap.addToxic('upstream', { type: 'bandwidth', rate: 100_000 });
    const socket = await dial(tap);
    const sent = pattern(50_000);
    const elapsed = stopwatch();
    const answer = read(socket, sent.length);
    socket.write(sent);
    assert.ok((await answer).equals(sent));
    inTime(elapsed(), 480, 500 + SLACK_MS * 2, '50 kB at 100 kB/s');
    const flood = Buffer.alloc(8_000_000);
    const rest = read(socket, flood.length);
    socket.write(flood);
    await once(socket, 'data');
    assert.ok(socket.writableLength > 0, 'the sender was not held back');
    remove();
    await rest;
    assert.equal(tap.bytesUp, sent.length + flood.length);
  });

  it('bandwidth gives a high rate, too, with timers that are late', (t) => {
    let clock = 1000;
    t.mock.method(performance, 'now', () => clock);
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const [rate, block, lateMs] = [10_000_000, pattern(64 * 1024), 5];
    let passed = 0;
    const write = (bytes: Buffer): void => {
      passed += bytes.length;
    };
    const output = { write, end() {}, finish() {}, close() {}, reset() {}, room() {} };
    const stage = createStage({ type: 'bandwidth', rate }, output, Math.random);
    for (const end = clock + 1000; clock < end; ) {
      while (!stage.full) stage.write(block);
      clock += lateMs;
      t.mock.timers.tick(lateMs);
    }
    within(passed, rate - block.length, rate, 'bytes in 1 s');
    stage.drop();
  });

  it('slicer cuts into pieces of that size', async () => {
    const pieces: number[] = [];
    await new Promise<void>((end) => {
      const write = (bytes: Buffer): void => void pieces.push(bytes.length);
      const output = { write, end, finish() {}, close() {}, reset() {}, room() {} };
      const stage = createStage(SLICER, output, Math.random);
      stage.write(pattern(1000));
      stage.end();
    });
    const rest = pieces.pop()!;
    for (const length of pieces) within(length, 80, 120, 'bytes of a piece');
    within(rest, 1, 120, 'bytes of the last piece');
    assert.equal(
      pieces.reduce((sum, length) => sum + length, rest),
      1000,
    );
  });

  it('slicer passes every byte, with that pause after each piece', async () => {
    let got = 0;
    const { tap, server } = await tapTo((socket) =>
      socket.on('data', (bytes) => {
        got += bytes.length;
      }),
    );
    tap.addToxic('upstream', SLICER);
    const accepted = once(server, 'connection');
    const socket = await dial(tap);
    const [peer] = (await accepted) as [net.Socket];
    const elapsed = stopwatch();
    socket.end(pattern(1000));
    await once(peer, 'end');
    const span = elapsed();
    assert.equal(got, 1000);
    // 9 pieces at the least, 13 at the most.
    inTime(span, 9 * SLICER.delay, 13 * SLICER.delay + SLACK_MS * 2, 'ms');
  });

  it('slow_close delays the end, not the bytes', async () => {
    const { tap } = await tapTo((socket) => socket.end('bye'));
    tap.addToxic('downstream', { type: 'slow_close', delay: 120 });
    const elapsed = stopwatch();
    const socket = await dial(tap);
    await once(socket, 'data');
    inTime(elapsed(), 0, SLACK_MS, 'bytes');
    await once(socket, 'end');
    inTime(elapsed(), 118, 120 + SLACK_MS, 'end');
  });

  it('timeout stops data and then closes; 0 never closes, but taking it away does', async () => {
    const { tap } = await tapTo(echo);
    const socket = await dial(tap);
    await roundTrip(socket);
    tap.addToxic('upstream', { type: 'timeout', timeout: 100 });
    const elapsed = stopwatch();
    socket.write('lost');
    await once(socket, 'end');
    inTime(elapsed(), 95, 100 + SLACK_MS, 'closed');
    assert.equal(tap.bytesUp, 1);

    const { tap: silent } = await tapTo(echo);
    const remove = silent.addToxic('upstream', { type: 'timeout', timeout: 0 });
    const other = await dial(silent);
    other.resume();
    other.write('lost');
    await assertStops(() => silent.bytesUp);
    assert.equal(silent.open, 1);
    const ended = once(other, 'end');
    remove();
    await ended;
    assert.equal(silent.bytesUp, 0);
  });

  it('reset_peer passes bytes, then resets both sides', async () => {
    const { tap, server } = await tapTo(echo);
    tap.addToxic('downstream', { type: 'reset_peer', timeout: 100 });
    const accepted = once(server, 'connection');
    const elapsed = stopwatch();
    const socket = await dial(tap);
    const [peer] = (await accepted) as [net.Socket];
    await roundTrip(socket);
    const codes = await Promise.all([once(socket, 'error'), once(peer, 'error')]);
    inTime(elapsed(), 95, 100 + SLACK_MS, 'reset');
    assert.deepEqual(
      codes.map(([error]) => (error as NodeJS.ErrnoException).code),
      ['ECONNRESET', 'ECONNRESET'],
    );
  });

  it('limit_data closes after so many bytes', async () => {
    const { tap } = await tapTo((socket) => socket.write(pattern(10_000)));
    tap.addToxic('downstream', { type: 'limit_data', bytes: 1234 });
    const socket = await dial(tap);
    let got = 0;
    socket.on('data', (bytes) => {
      got += bytes.length;
    });
    await once(socket, 'end');
    assert.equal(got, 1234);
    assert.equal(tap.bytesDown, 1234);
  });

  it('limit_data closes when what later toxics hold has passed', async () => {
    const { tap } = await tapTo((socket) => {
      socket.write(pattern(1000));
      socket.end(pattern(9000));
    });
    tap.addToxic('downstream', { type: 'limit_data', bytes: 1234 });
    tap.addToxic('downstream', { type: 'latency', latency: 50 });
    const closed = nextEvent(tap, 'close');
    const socket = await dial(tap);
    let got = 0;
    socket.on('data', (bytes) => {
      got += bytes.length;
    });
    await once(socket, 'end');
    assert.equal(got, 1234);
    assert.equal(tap.bytesDown, 1234);
    await closed;
  });

  it('work one after the other, in the order in which they were added', async () => {
    const { tap } = await tapTo(echo);
    const toxics: Toxic[] = [
      { type: 'slicer', averageSize: 64, sizeVariation: 0, delay: 0 },
      { type: 'latency', latency: 60 },
      { type: 'bandwidth', rate: 1_000_000 },
    ];
    for (const toxic of toxics) tap.addToxic('upstream', toxic);
    const socket = await dial(tap);
    const sent = pattern(20_000);
    const times: number[] = [];
    for (let round = 0; round < 3; round++) {
      const began = performance.now();
      const answer = read(socket, sent.length);
      socket.write(sent);
      assert.ok((await answer).equals(sent));
      times.push(performance.now() - began);
    }
    // The fastest: what is above it is the machine's. Pieces that waited for each other would take seconds every time.
    within(Math.min(...times), 60, 80 + SLACK_MS, 'ms');
  });
});

/** Resolves when a figure has been the same for 100 ms. */
async function assertStops(figure: () => number): Promise<void> {
  for (let last = -1; last !== figure(); ) {
    last = figure();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
