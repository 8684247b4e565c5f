import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { wallClock } from '../../drivers/measure/clock.ts';
import { MediaSource } from '../../drivers/measure/source.ts';
import { loopbackSource } from '../../drivers/swarm/addresses.ts';
import { Crowd } from '../../drivers/swarm/crowd.ts';
import {
  HealthMonitor,
  judgeGenerator,
  MAX_CPU_SHARE,
  MAX_LOOP_LAG_P99_MS,
} from '../../drivers/swarm/health.ts';
import { type LoadFigures, type LoadTick, runLoad, runPublish } from '../../drivers/swarm/load.ts';
import { loadLine, Progress } from '../../drivers/swarm/progress.ts';
import { WHOLE } from '../../drivers/swarm/shard.ts';
import { Swarm } from '../../drivers/swarm/swarm.ts';
import { encodeTag, flvHeader } from '../../protocols/flv/writer.ts';
import { Load } from '../../reports/results.ts';
import { forkEntry } from '../../runtime/entry.ts';
import { eventually, type Scripted, scripted, within } from './support/observe.ts';

const source = MediaSource.load('fixtures/media/av-480k.flv');

/** 120 stamped frames at once, and then the connection stays open. Frame 50 is left out when `hole`. */
function answer(hole = false): Buffer {
  const parts: Uint8Array[] = [flvHeader({ audio: true, video: true })];
  for (const { type, body } of source.headers) parts.push(encodeTag(type, 0, body));
  let frame = 0;
  for (const item of source.items) {
    if (item.template === undefined || frame >= 120) continue;
    const body = item.template.write(77, frame, Date.now());
    if (!hole || frame !== 50) parts.push(encodeTag(item.type, item.timestamp, body));
    frame++;
  }
  return Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), ...parts]);
}

/** A promise that is kept from outside, and what keeps it. */
function told(): { promise: Promise<void>; tell: () => void } {
  let tell: () => void = () => {};
  const promise = new Promise<void>((resolve) => {
    tell = resolve;
  });
  return { promise, tell };
}

async function serve(t: TestContext, script: (socket: Socket, path: string) => void): Promise<Scripted> {
  const server = await scripted((socket) => {
    socket.once('data', (bytes) => script(socket, String(bytes).split(' ')[1] ?? ''));
  });
  t.after(() => server.close());
  return server;
}

const url = (server: Scripted, name = 'x'): string => `http://127.0.0.1:${server.port}/live/${name}.flv`;

test('source addresses: loopback only, all different, neighbours in different /24s', () => {
  assert.equal(loopbackSource('rtmp://10.0.0.1/live/x', 1), undefined);
  assert.equal(loopbackSource('rtmp://127.example.com/live/x', 1), undefined);
  const addresses = Array.from(
    { length: 100_000 },
    (_, number) => loopbackSource('rtmp://127.0.0.1:1935/a/b', number)!,
  );
  assert.equal(new Set(addresses).size, addresses.length);
  for (const [index, address] of addresses.entries()) {
    const octets = address.split('.').map(Number);
    assert.ok(octets[0] === 127 && octets.every((octet) => octet > 0 && octet < 255), address);
    if (index > 0) assert.notEqual(octets[2], Number(addresses[index - 1]!.split('.')[2]));
  }
});

test('crowd: joined, failed, dropped and every frame are counted for every player', async (t) => {
  const peers = new Set<string>();
  const server = await serve(t, (socket, path) => {
    peers.add(socket.remoteAddress ?? '');
    if (path.includes('absent')) socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n');
    else if (path.includes('short')) socket.end(answer());
    else socket.write(answer(path.includes('hole')));
  });
  const urls = ['full', 'hole', 'absent', 'short'].map((name) => url(server, name));
  const expected = 5 * 120 + 5 * 119 + 5 * 120;
  const [settled, served] = [told(), told()];
  let frames = 0;
  const crowd = new Crowd(
    { urls, clients: 20, rampMs: 0 },
    { onSettled: settled.tell, onFrame: () => ++frames === expected && served.tell() },
  );
  crowd.start();
  await within(5000, 'everybody to settle', settled.promise);
  await within(5000, 'every frame', served.promise);
  await eventually(5000, 'the short ones to be dropped', () => crowd.dropped === 5);
  crowd.stop();
  const snapshot = crowd.snapshot();
  assert.deepEqual([snapshot.joined, snapshot.failed, snapshot.dropped], [15, 5, 5]);
  assert.deepEqual(snapshot.reasons, { 'http.404': 5, 'eof.streaming': 5 });
  assert.equal(snapshot.frames.received, expected);
  assert.equal(snapshot.frames.missing, 5);
  assert.equal(snapshot.framesOfWorst, 0);
  assert.equal(peers.size, 20);
});

test('crowd: players whose picture stands still at the end are counted, those that were dropped are not', async (t) => {
  const starved = await serve(t, (socket, path) => {
    if (path.includes('dropped')) socket.end(answer());
    // A keyframe, and too little after it to show a picture.
    else if (path.includes('key')) socket.write(answer().subarray(0, 20_000));
    else socket.write(answer());
  });
  const urls = ['full', 'key', 'dropped'].map((name) => url(starved, name));
  const crowd = new Crowd({ urls, clients: 6, rampMs: 0 });
  crowd.start();
  // 120 frames are 4.8 s of media; the picture stands still from then on.
  await eventually(15_000, 'pictures that stand still', () => crowd.snapshot().stalls.lasting === 4);
  assert.equal(crowd.joined, 6);
  crowd.stop();
  const { lasting, ofUrls } = crowd.snapshot().stalls;
  assert.equal(lasting, 4);
  assert.deepEqual(ofUrls, [
    { there: 2, lasting: 2 },
    { there: 2, lasting: 2 },
    { there: 0, lasting: 0 },
  ]);
});

test('crowd: what none of its own players plays has no figures, as in a shard of a load of several URLs', () => {
  const urls = [
    'rtmp://127.0.0.1/live/a',
    'http://127.0.0.1/a.m3u8',
    'srt://127.0.0.1:9',
    'whep://127.0.0.1/a',
  ];
  const playedBy = (index: number, of: number, clients = 4) => {
    const hand = { shard: { index, of }, worker: WHOLE, urls: urls.length };
    return Object.keys(new Crowd({ urls, clients, rampMs: 0, hand }).snapshot()).filter((key) =>
      ['hls', 'srt', 'webrtc'].includes(key),
    );
  };
  assert.deepEqual(playedBy(0, 1), ['hls', 'srt', 'webrtc']);
  assert.deepEqual(playedBy(0, 2), ['srt']);
  assert.deepEqual(playedBy(1, 2), ['hls', 'webrtc']);
  assert.deepEqual(playedBy(3, 4), ['webrtc']);
  assert.deepEqual(playedBy(2, 5, 2), ['srt', 'webrtc']);
  assert.deepEqual(playedBy(0, 1, 0), []);
});

test('swarm: the figures of its workers are the figures of one big crowd', async (t) => {
  const server = await serve(t, (socket) => socket.write(answer(true)));
  const served = told();
  const bytes = 31 * answer(true).length;
  const swarm = new Swarm(
    { urls: [url(server)], clients: 31, rampMs: 200, workers: 3, reportMs: 200 },
    (tick) => tick.bytes === bytes && served.tell(),
  );
  assert.equal(swarm.pids.length, 3);
  await swarm.start();
  await within(8000, 'everybody to settle', swarm.settled);
  await within(8000, 'every byte', served.promise);
  const figures = await swarm.stop();
  assert.deepEqual(figures.clients, { requested: 31, opened: 31, joined: 31, failed: 0, dropped: 0 });
  assert.equal(figures.frames.received, 31 * 119);
  assert.equal(figures.frames.missing, 31);
  assert.equal(figures.steady.count + figures.join.count, 31 * 119);
  assert.equal(figures.startup.count, 31);
  assert.equal(figures.framesOfWorst, 119);
  assert.equal(server.connections, 31);
});

test('swarm: the clients of a worker that dies are lost, and the generator is not healthy', async (t) => {
  const server = await serve(t, (socket) => socket.write(answer()));
  const [served, noticed] = [told(), told()];
  const bytes = 20 * answer().length;
  const swarm = new Swarm(
    { urls: [url(server)], clients: 20, rampMs: 0, workers: 2, reportMs: 100 },
    (tick) => {
      if (tick.bytes === bytes && tick.joined === 20) served.tell();
      if (tick.dropped === 10) noticed.tell();
    },
  );
  await swarm.start();
  await within(8000, 'everybody to settle', swarm.settled);
  await within(8000, 'every byte', served.promise);
  process.kill(swarm.pids[0]!, 'SIGKILL');
  await within(8000, 'the loss to be noticed', noticed.promise);
  const figures = await swarm.stop();
  assert.deepEqual(figures.clients, { requested: 20, opened: 20, joined: 20, failed: 0, dropped: 10 });
  assert.deepEqual(figures.reasons, { 'worker-died': 10 });
  assert.equal(figures.generator.healthy, false);
  assert.ok(figures.generator.reasons.includes('1 of 2 worker processes died'));
});

test('swarm: workers whose whole group is told to end wait for what their parent says', async (t) => {
  const server = await serve(t, (socket) => socket.write(answer()));
  const [served, terminated] = [told(), told()];
  const bytes = 20 * answer().length;
  let signalled = false;
  let since = 0;
  const swarm = new Swarm(
    { urls: [url(server)], clients: 20, rampMs: 0, workers: 2, reportMs: 100 },
    (tick) => {
      if (tick.bytes === bytes && tick.joined === 20) served.tell();
      // Of what was reported after the signal.
      if (signalled && ++since === 3) terminated.tell();
    },
  );
  await swarm.start();
  await within(8000, 'every byte', served.promise);
  for (const pid of swarm.pids) process.kill(pid, 'SIGTERM');
  signalled = true;
  await within(8000, 'reports after that', terminated.promise);
  const figures = await swarm.stop();
  assert.deepEqual(figures.clients, { requested: 20, opened: 20, joined: 20, failed: 0, dropped: 0 });
  assert.equal(figures.frames.received, 20 * 120);
});

test('swarm: workers that SIGTERM does not end do when their parent is gone', async () => {
  const swarm = new URL('../../drivers/swarm/swarm.ts', import.meta.url).href;
  const script = `
    import { Swarm } from '${swarm}';
    const swarm = new Swarm({ urls: ['http://127.0.0.1:1/x.flv'], clients: 2, rampMs: 0, workers: 2 });
    await swarm.start();
    await swarm.settled;
    console.log(swarm.pids.join());`;
  const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // Workers have the same standard output: it ends with the last of them.
  const closed = once(parent, 'close');
  const [pids] = await within(20_000, 'workers', once(parent.stdout!, 'data'));
  for (const pid of String(pids).split(',')) process.kill(Number(pid), 'SIGTERM');
  parent.kill('SIGKILL');
  await within(8000, 'workers to end', closed);
});

test('swarm: a worker that is told to stop before it listens ends without an error', async () => {
  const worker = forkEntry('drivers/swarm/worker.ts', [], { serialization: 'advanced' });
  worker.send({ type: 'stop' });
  assert.deepEqual(await within(8000, 'its end', once(worker, 'exit')), [0, null]);
});

test('swarm: a worker that dies before it could begin fails its clients, and nothing hangs', async (t) => {
  const server = await serve(t, (socket) => socket.write(answer()));
  const swarm = new Swarm({ urls: [url(server)], clients: 10, rampMs: 0, workers: 2, reportMs: 100 });
  process.kill(swarm.pids[1]!, 'SIGKILL');
  await swarm.start();
  await within(8000, 'everybody to settle', swarm.settled);
  const figures = await swarm.stop();
  assert.deepEqual(figures.clients, { requested: 10, opened: 5, joined: 5, failed: 5, dropped: 0 });
  assert.deepEqual(figures.reasons, { 'worker-died': 5 });
});

test('load: an interrupt returns what was measured until then', async (t) => {
  const server = await serve(t, (socket) => socket.write(answer()));
  const interrupt = new AbortController();
  const ticks: LoadTick[] = [];
  const told: LoadFigures[] = [];
  const started = performance.now();
  const figures = await runLoad({
    urls: [url(server)],
    clients: 10,
    rampMs: 100,
    durationMs: 60_000,
    workers: 1,
    signal: interrupt.signal,
    onTick: (tick) => {
      ticks.push(tick);
      if (tick.joined === 10) interrupt.abort();
    },
    onFigures: (soFar) => told.push(soFar),
  });
  assert.ok(performance.now() - started < 30_000);
  assert.equal(figures.clients.joined, 10);
  assert.equal(figures.frames.received, 1200);
  assert.deepEqual([ticks.at(-1)?.phase, ticks.at(-1)?.joined], ['steady', 10]);
  assert.deepEqual(Load.parse(figures), figures);
  assert.ok(ticks.every(({ second }) => Number.isInteger(second)));
  const last = Load.parse(told.at(-1));
  assert.deepEqual(last.clients, figures.clients, 'what is told meanwhile is what is told at the end');
  assert.ok(last.frames.received > 0 && last.frames.received <= figures.frames.received);
  assert.deepEqual(last.timeline, figures.timeline.slice(0, last.timeline.length));
});

test('load: one that is interrupted while it waits for its time ends at once, and nobody has failed', async () => {
  const run = { urls: ['http://127.0.0.1:1/x.flv'], clients: 3, rampMs: 0, durationMs: 1000, workers: 1 };
  for (const signal of [AbortSignal.timeout(300), AbortSignal.abort()]) {
    const waiting = runLoad({ ...run, startAt: Date.now() + 60_000, signal });
    const { clients, reasons, generator } = await within(20_000, 'the load to end', waiting);
    assert.deepEqual(clients, { requested: 3, joined: 0, failed: 0, dropped: 0 });
    assert.deepEqual([reasons, generator.reasons], [{}, []]);
  }
});

test('load: a server that says nothing is a failure of every client, not of none', async (t) => {
  const asked = new AbortController();
  let requests = 0;
  const server = await serve(t, () => {
    if (++requests === 4) asked.abort();
  });
  const figures = await runLoad({
    urls: [url(server)],
    clients: 4,
    rampMs: 0,
    durationMs: 20_000,
    workers: 1,
    signal: asked.signal,
  });
  assert.deepEqual(figures.clients, { requested: 4, joined: 0, failed: 4, dropped: 0 });
  assert.deepEqual(figures.reasons, { 'no-keyframe.requesting': 4 });
  assert.equal(figures.latency.steady.p99, null);
  await assert.rejects(runLoad({ urls: ['ftp://x'], clients: 1, rampMs: 0, durationMs: 1 }), /url/);
});

test('publish: ends when nobody is left to publish', async () => {
  const gone = await scripted(() => {});
  await gone.close();
  const figures = await runPublish({
    url: `rtmp://127.0.0.1:${gone.port}/live/s%d`,
    streams: 3,
    file: 'fixtures/media/av-480k.flv',
  });
  assert.deepEqual(figures.clients, { requested: 3, joined: 0, failed: 3, dropped: 0 });
  assert.deepEqual(figures.reasons, { 'tcp.econnrefused': 3 });
  assert.deepEqual(
    figures.urls.map((each) => each.slice(-2)),
    ['s1', 's2', 's3'],
  );
  await assert.rejects(runPublish({ url: 'rtmp://127.0.0.1/live/s', streams: 2, file: 'x' }), /%d/);
});

const WORKER = {
  loopLagP99Ms: 3,
  loopLagMs: 3,
  cpuCores: 0.5,
  cpuCoresMean: 0.5,
  rssMb: 100,
  clockJumps: 0,
  udpDrops: 0,
};

test('health: every bound has its reason', () => {
  assert.deepEqual(judgeGenerator([WORKER, WORKER], 1), {
    healthy: true,
    reasons: [],
    loopLagP99Ms: 3,
    cpuCores: 1,
    rssMb: 200,
    udpDrops: 0,
  });
  for (const [worker, lowest, reason] of [
    [{ ...WORKER, loopLagP99Ms: MAX_LOOP_LAG_P99_MS + 1 }, 1, /event loop/],
    [{ ...WORKER, cpuCoresMean: MAX_CPU_SHARE + 0.01 }, 1, /core/],
    [{ ...WORKER, clockJumps: 1 }, 1, /clock was set/],
    [WORKER, -50, /clock is ahead/],
  ] as const) {
    const { healthy, reasons } = judgeGenerator([WORKER, worker], lowest);
    assert.equal(healthy, false);
    assert.match(reasons.join(), reason);
  }
});

test('health: the clock was set before it was looked at: nothing is said of that', (t) => {
  const { jumps } = wallClock;
  wallClock.jumps = jumps + 1;
  const health = new HealthMonitor();
  t.after(() => {
    health.stop();
    wallClock.jumps = jumps;
  });
  assert.equal(health.read().clockJumps, 0);
  wallClock.jumps++;
  assert.equal(health.read().clockJumps, 1);
});

test('health: the clock was set before, and nobody has looked since: nothing is said of that', (t) => {
  const { jumps } = wallClock;
  let unseen = 1;
  t.mock.method(wallClock, 'check', () => {
    wallClock.jumps += unseen;
    unseen = 0;
  });
  const health = new HealthMonitor();
  t.after(() => {
    health.stop();
    wallClock.jumps = jumps;
  });
  wallClock.check();
  assert.equal(health.read().clockJumps, 0);
});

test('progress: rewritten on a terminal, plain lines elsewhere', () => {
  const tick: LoadTick = {
    phase: 'steady',
    second: 12,
    requested: 100,
    opened: 100,
    joined: 98,
    failed: 1,
    dropped: 1,
    bytes: 1e6,
    stalls: 2,
    intervalMbitPerSecond: 47.04,
    intervalStalls: 0,
    intervalLatencyP50: 3.21,
    intervalLatencyP99: null,
    intervalLoopLagMs: 4,
    intervalCpuCores: 0.2,
    generator: { healthy: true, reasons: [], loopLagP99Ms: 4, cpuCores: 0.2, rssMb: 90, udpDrops: 0 },
  };
  const line = loadLine(tick);
  assert.match(
    line,
    /12 s steady \| 98\/100 joined, 1 failed, 1 dropped \| 47\.0 Mbit\/s \| latency p50 3\.2 ms p99 - \| 2 stalls/,
  );
  let piped = '';
  const plain = new Progress({ write: (text) => (piped += text) });
  plain.line(line);
  plain.end();
  assert.equal(piped, `${line}\n`);
  let shown = '';
  const terminal = new Progress({ isTTY: true, columns: 40, write: (text) => (shown += text) });
  terminal.line(line);
  terminal.end();
  terminal.end();
  assert.equal(shown, `\r\x1b[2K${line.slice(0, 39)}\n`);
});
