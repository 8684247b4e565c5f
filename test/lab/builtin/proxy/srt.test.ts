/** SRT through the proxy, between our callers and builtin origins. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, describe, type TestContext, test } from 'node:test';
import type { Backend } from '../../../../lab/builtin/proxy/load-balancer.ts';
import { SrtProxy } from '../../../../lab/builtin/proxy/srt.ts';
import { SrtConnection, SrtState } from '../../../../protocols/srt/connection.ts';
import {
  decodeHandshake,
  encodeHandshake,
  HandshakeType,
  inductionRequest,
} from '../../../../protocols/srt/handshake.ts';
import { SrtListener } from '../../../../protocols/srt/listener.ts';
import { isControl } from '../../../../protocols/srt/packet.ts';
import { hangUpAll, messages, playId, publishId, type SrtNode, SrtPeer } from '../srt-support.ts';
import { clientsOf, eventually, stopAll, type TestNode } from '../support.ts';
import {
  backendOf,
  Probe,
  register,
  startOrigins,
  startUdpProxy,
  type UdpProxy,
  type UdpProxyOptions,
} from './udp-support.ts';

const media = messages();

after(async () => {
  hangUpAll();
  await stopAll();
});

const start = (t: TestContext, options?: UdpProxyOptions): Promise<UdpProxy<SrtProxy>> =>
  startUdpProxy(t, (context) => new SrtProxy(context), options);

/** The proxy as the SRT port of a node. */
const door = ({ host, srtPort }: UdpProxy<SrtProxy>): SrtNode => ({ config: { host }, srtPort }) as SrtNode;

const typesAt = async (node: TestNode, stream: string): Promise<unknown[]> =>
  (await clientsOf(node))
    .filter(({ url }) => url === `/live/${stream}`)
    .map(({ type }) => type)
    .sort();

/** The index of the only node that has the stream. */
async function homeOf(nodes: readonly TestNode[], stream: string): Promise<number> {
  const found = await Promise.all(nodes.map((node) => typesAt(node, stream)));
  const homes = found.flatMap((types, index) => (types.length > 0 ? [index] : []));
  assert.equal(homes.length, 1, `${stream} is at ${homes.length} origins`);
  return homes[0]!;
}

describe('between callers and origins', { concurrency: true }, () => {
  test('every stream has an origin, its callers meet there, and every byte arrives', async (t) => {
    const proxy = await start(t);
    const nodes = await startOrigins(t, 3, 'srt');
    await register(proxy.balancer, nodes);
    const sent = media.filter(({ at }) => at < 1500);
    const homes = await Promise.all(
      ['a', 'b', 'c'].map(async (stream) => {
        const player = await SrtPeer.open(door(proxy), playId(stream), { latencyMs: 200 });
        const publisher = await SrtPeer.open(door(proxy), publishId(stream), { latencyMs: 200 });
        assert.ok(player.connected && publisher.connected);
        publisher.sendInTime(sent);
        await player.until('all payloads', () => player.payloads.length >= sent.length);
        assert.deepEqual(
          player.payloads,
          sent.map(({ payload }) => Buffer.from(payload)),
        );
        return homeOf(nodes, stream);
      }),
    );
    assert.deepEqual(homes.toSorted(), [0, 1, 2]);
    assert.equal(await proxy.connections('srt'), 6);
    assert.deepEqual(await typesAt(nodes[homes[0]!]!, 'a'), ['srt-play', 'srt-publish']);
    hangUpAllOf(proxy);
  });

  test('who leaves is forgotten at once, at both ends, and so is who vanishes', async (t) => {
    const proxy = await start(t, { timeouts: { srtIdle: 500 } });
    const [node] = await startOrigins(t, 1, 'srt');
    await register(proxy.balancer, [node!]);
    const leaves = await SrtPeer.open(door(proxy), publishId('leaves'));
    leaves.sendInTime(media);
    const vanishes = await SrtPeer.open(door(proxy), publishId('vanishes'));
    vanishes.sendInTime(media);
    assert.equal(proxy.part.sessions, 2);
    leaves.hangUp();
    await eventually('the origin to know', async () => (await typesAt(node!, 'leaves')).length === 0);
    assert.deepEqual(await typesAt(node!, 'vanishes'), ['srt-publish']);
    assert.equal(proxy.part.sessions, 1);
    vanishes.vanish();
    await eventually('nobody to be left', async () => (await clientsOf(node!)).length === 0);
    assert.equal(proxy.part.sessions, 0);
    assert.equal(await proxy.connections('srt'), 0);
  });

  test('an origin that throws a caller out, or falls silent, ends the caller', async (t) => {
    const proxy = await start(t, { timeouts: { srtIdle: 3000 } });
    const [node] = await startOrigins(t, 1, 'srt');
    await register(proxy.balancer, [node!]);
    const kicked = await SrtPeer.open(door(proxy), playId('kicked'));
    const stays = await SrtPeer.open(door(proxy), playId('stays'));
    const found = await eventually('the player', async () =>
      (await clientsOf(node!)).find(({ url }) => url === '/live/kicked'),
    );
    await node!.api(`/api/v1/clients/${found.id}`, 'DELETE');
    await kicked.untilClosed(1500);
    assert.equal(kicked.closure?.code, 'srt.shutdown');
    node!.process.kill('SIGSTOP');
    await stays.untilClosed(8000);
    assert.equal(stays.closure?.code, 'srt.shutdown');
    assert.equal(proxy.part.sessions, 0);
  });

  test('an origin that has died ends its callers, and a publisher who comes back gets another one', async (t) => {
    const proxy = await start(t);
    const nodes = await startOrigins(t, 2, 'srt');
    await register(proxy.balancer, nodes);
    const first = await SrtPeer.open(door(proxy), publishId('x'));
    first.sendInTime(media);
    await eventually(
      'the stream',
      async () => (await Promise.all(nodes.map((n) => typesAt(n, 'x')))).flat().length > 0,
    );
    const home = await homeOf(nodes, 'x');
    await nodes[home]!.kill();
    await first.untilClosed(1500);
    const again = await SrtPeer.open(door(proxy), publishId('x'));
    assert.ok(again.connected, 'the port of the first origin is closed: another one is picked');
    assert.deepEqual(await typesAt(nodes[1 - home]!, 'x'), ['srt-publish']);
    const player = await SrtPeer.open(door(proxy), playId('x'));
    assert.deepEqual(await typesAt(nodes[1 - home]!, 'x'), ['srt-play', 'srt-publish']);
    player.hangUp();
    again.hangUp();
  });

  test('an origin that does not answer is given up within the time of a caller', async (t) => {
    const proxy = await start(t, { timeouts: { srtAnswer: 300 } });
    const nodes = await startOrigins(t, 2, 'srt');
    await register(proxy.balancer, nodes);
    const player = await SrtPeer.open(door(proxy), playId('x'));
    const home = await eventually(
      'the player',
      async () =>
        (await Promise.all(nodes.map((node) => typesAt(node, 'x')))).findIndex((types) => types.length > 0) +
        1,
    );
    player.hangUp();
    nodes[home - 1]!.process.kill('SIGSTOP');
    const plays = await SrtPeer.open(door(proxy), playId('x'));
    assert.deepEqual([plays.connected, plays.closure?.code], [false, 'srt.rejected.gateway']);
    const publishes = await SrtPeer.open(door(proxy), publishId('x'));
    assert.ok(publishes.connected);
    assert.deepEqual(await typesAt(nodes[2 - home]!, 'x'), ['srt-publish']);
    publishes.hangUp();
  });

  test('a passphrase is between the caller and the origin', async (t) => {
    const proxy = await start(t);
    const passphrase = 'a-passphrase-of-ours';
    const nodes = await startOrigins(t, 2, 'srt', { settings: { srt: { passphrase, pbkeylen: 32 } } });
    await register(proxy.balancer, nodes);
    const player = await SrtPeer.open(door(proxy), playId('x'), { passphrase, latencyMs: 300 });
    const publisher = await SrtPeer.open(door(proxy), publishId('x'), { passphrase, keyBytes: 32 });
    const sent = media.filter(({ at }) => at < 500);
    publisher.sendInTime(sent);
    await player.until('all payloads', () => player.payloads.length >= sent.length);
    assert.deepEqual(player.payloads[5], Buffer.from(sent[5]!.payload));
    const wrong = await SrtPeer.open(door(proxy), playId('x'), { passphrase: 'another-passphrase' });
    assert.equal(wrong.closure?.code, 'srt.rejected.bad-secret');
    const none = await SrtPeer.open(door(proxy), playId('x'));
    assert.equal(none.closure?.code, 'srt.rejected.unsecure');
    assert.equal(proxy.part.sessions, 2);
    hangUpAllOf(proxy);
  });

  test('a lost answer of the handshake is asked for again', async (t) => {
    const proxy = await start(t);
    await register(proxy.balancer, await startOrigins(t, 1, 'srt'));
    const peer = new SrtPeer(door(proxy), publishId('x'));
    let lost = 0;
    peer.loses.in = (packet) => decodeHandshake(packet).type === HandshakeType.conclusion && lost++ < 2;
    await peer.until('the connection', () => peer.connected);
    assert.equal(proxy.part.sessions, 1);
    peer.loses.in = () => false;
    peer.hangUp();
  });
});

/** Alone: within its latency of 400 ms no others start their origins. */
describe('losses', () => {
  test('what the caller and the origin have lost comes again, through the proxy', async (t) => {
    const proxy = await start(t);
    const nodes = await startOrigins(t, 1, 'srt');
    await register(proxy.balancer, nodes);
    const player = await SrtPeer.open(door(proxy), playId('x'), { latencyMs: 400 });
    const publisher = await SrtPeer.open(door(proxy), publishId('x'), { peerLatencyMs: 400 });
    let seen = 0;
    const every10th = (packet: Uint8Array): boolean => !isControl(packet) && ++seen % 10 === 0;
    player.loses.in = every10th;
    publisher.loses.out = every10th;
    const sent = media.filter(({ at }) => at < 1000);
    publisher.sendInTime(sent);
    await player.until('all payloads', () => player.payloads.length >= sent.length);
    assert.ok(publisher.connection.figures.retransmitsSent > 0);
    hangUpAllOf(proxy);
  });
});

describe('refusals', { concurrency: true }, () => {
  test('no origin, none with SRT, a stream id that says nothing', async (t) => {
    const proxy = await start(t);
    const code = async (streamId: string): Promise<string | undefined> =>
      (await SrtPeer.open(door(proxy), streamId)).closure?.code;
    assert.equal(await code(publishId('x')), 'srt.rejected.unavailable');
    const [node] = await startOrigins(t, 1, 'srt');
    const { srt: _srt, ...backend } = backendOf(node!);
    await proxy.balancer.register(backend);
    assert.equal(await code(publishId('x')), 'srt.rejected.unavailable');
    assert.equal(await code('#!::r=live/x,m=talk'), 'srt.rejected.bad-request');
    assert.equal(await code('#!::m=publish'), 'srt.rejected.bad-request');
    assert.equal(proxy.part.sessions, 0);
  });

  test('an old caller, which has no stream id, is told that its version is', async (t) => {
    const proxy = await start(t);
    const probe = await Probe.open(t);
    const cookie = await cookieOf(proxy, probe);
    const request = { ...inductionRequest(7, 1, 8192), type: HandshakeType.conclusion, cookie };
    await probe.send(encodeHandshake(request, 0, 0), proxy.srtPort);
    await eventually('an answer', () => probe.got.length > 1);
    assert.equal(decodeHandshake(probe.got[1]!).type, 1008);
  });
});

async function cookieOf(proxy: UdpProxy<SrtProxy>, probe: Probe): Promise<number> {
  await probe.send(encodeHandshake(inductionRequest(7, 1, 8192), 0, 0), proxy.srtPort);
  await eventually('an answer', () => probe.got.length > 0);
  return decodeHandshake(probe.got[0]!).cookie;
}

describe('hostile callers', { concurrency: true }, () => {
  test('nothing is kept of inductions, wrong cookies and noise, and who is served is served', async (t) => {
    const proxy = await start(t);
    const [node] = await startOrigins(t, 1, 'srt');
    await register(proxy.balancer, [node!]);
    const publisher = await SrtPeer.open(door(proxy), publishId('x'), { peerLatencyMs: 300 });
    publisher.sendInTime(media);
    const probe = await Probe.open(t);
    const conclusion = (id: number) =>
      encodeHandshake(
        {
          ...inductionRequest(id, 1, 8192),
          version: 5,
          type: HandshakeType.conclusion,
          cookie: id * 7919,
          hs: { response: false, version: 0x010501, flags: 0xbf, receiverDelay: 120, senderDelay: 0 },
          streamId: publishId(`flood-${id}`),
        },
        0,
        0,
      );
    for (let id = 1; id <= 2000; id++) {
      await probe.send(encodeHandshake(inductionRequest(id, id, 8192), 0, 0), proxy.srtPort);
      await probe.send(conclusion(id), proxy.srtPort);
      await probe.send(randomBytes(id % 200), proxy.srtPort);
    }
    await eventually('the flood to be over', () => proxy.part.refused >= 1900);
    assert.equal(proxy.part.sessions, 1);
    for (const answer of probe.got) assert.equal(decodeHandshake(answer).type, HandshakeType.induction);
    assert.ok(publisher.connected);
    assert.equal((await clientsOf(node!)).length, 1);
    publisher.hangUp();
  });

  test('packets for a connection from elsewhere are not passed on', async (t) => {
    const proxy = await start(t);
    const [node] = await startOrigins(t, 1, 'srt');
    await register(proxy.balancer, [node!]);
    const publisher = await SrtPeer.open(door(proxy), publishId('x'));
    const shutdowns: Buffer[] = [];
    publisher.loses.out = (packet) => {
      shutdowns.push(Buffer.from(packet));
      return false;
    };
    publisher.connection.send(media[0]!.payload, performance.now());
    const probe = await Probe.open(t);
    const forged = Buffer.alloc(20);
    forged.writeUInt32BE(0x80050000, 0);
    forged.writeUInt32BE(shutdowns[0]!.readUInt32BE(12), 12);
    const before = proxy.part.stray;
    await probe.send(forged, proxy.srtPort);
    await eventually('it to be seen', () => proxy.part.stray > before);
    assert.equal(proxy.part.sessions, 1);
    assert.deepEqual(await typesAt(node!, 'x'), ['srt-publish']);
    publisher.hangUp();
  });
});

function hangUpAllOf(proxy: UdpProxy<SrtProxy>): void {
  proxy.part.close();
}

/** An SRT origin in this process, whose socket ids are 1, 2, 3, … */
async function startCountingOrigin(t: TestContext): Promise<{ backend: Backend; payloads: string[] }> {
  const probe = await Probe.open(t);
  const payloads: string[] = [];
  let made = 0;
  const listener = new SrtListener(
    { latencyMs: 20 },
    {
      onAnswer: (bytes, peer) => probe.send(bytes, peer.port, peer.address),
      onPacketOut: (connection, bytes) => {
        const { address, port } = peers.get(connection)!;
        probe.send(bytes.slice(), port, address);
      },
      onAccepted: (connection, peer) => peers.set(connection, { ...peer }),
      onData: (_connection, bytes, from) => payloads.push(Buffer.from(bytes.subarray(from)).toString()),
    },
    (count) => (count === 4 ? Uint8Array.of(0, 0, 0, ++made) : randomBytes(count)),
  );
  const peers = new Map<SrtConnection, { address: string; port: number }>();
  probe.socket.on('message', (packet, peer) => listener.receive(packet, peer, performance.now()));
  const ticker = setInterval(() => listener.tick(performance.now()), 5);
  t.after(() => clearInterval(ticker));
  const srt = { host: '127.0.0.1', port: probe.socket.address().port };
  const id = String(srt.port);
  const rtmp = { ...srt };
  return { backend: { id, ip: srt.host, server: id, service: id, pid: '1', rtmp, srt }, payloads };
}

/** A caller that has this socket id. */
async function callAs(t: TestContext, proxy: UdpProxy<SrtProxy>, stream: string, socketId: number) {
  const probe = await Probe.open(t);
  const connection = new SrtConnection(
    { streamId: publishId(stream), latencyMs: 20 },
    {
      onPacketOut: (_connection, bytes) => {
        probe.send(bytes.slice(), proxy.srtPort);
      },
    },
    { socketId, initialSequence: socketId },
    performance.now(),
  );
  probe.socket.on('message', (packet) => connection.receive(packet, performance.now()));
  const ticker = setInterval(() => connection.tick(performance.now()), 5);
  t.after(() => clearInterval(ticker));
  await eventually(`caller of ${stream}`, () => connection.state === SrtState.connected);
  return connection;
}

describe('socket ids that two ends have chosen alike', () => {
  test('of callers and of origins are told apart', async (t) => {
    const proxy = await start(t);
    const origins = await Promise.all([startCountingOrigin(t), startCountingOrigin(t)]);
    for (const { backend } of origins) await proxy.balancer.register(backend);
    const callers = await Promise.all(
      ['a', 'b', 'c', 'd'].map(async (stream) => ({ stream, end: await callAs(t, proxy, stream, 99) })),
    );
    for (const { stream, end } of callers) end.send(Buffer.from(stream), performance.now());
    const all = () => origins.flatMap(({ payloads }) => payloads);
    await eventually('all payloads', () => all().length === 4);
    assert.deepEqual(all().sort(), ['a', 'b', 'c', 'd']);
    assert.deepEqual(
      origins.map(({ payloads }) => payloads.length),
      [2, 2],
    );
    for (const { end } of callers) {
      const acknowledged = () => end.figures.packetsSent > 0 && end.figures.acksReceived > 0;
      await eventually('an acknowledgement', acknowledged);
    }
    callers[1]!.end.close(performance.now());
    await eventually('one to have left', () => proxy.part.sessions === 3);
    for (const { stream, end } of callers)
      if (stream !== 'b') end.send(Buffer.from(stream), performance.now());
    await eventually('the others to go on', () => all().length === 7);
    for (const { end } of callers) end.close(performance.now());
    await eventually('nobody to be left', () => proxy.part.sessions === 0);
  });
});
