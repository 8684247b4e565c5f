import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { DEFAULT_TIMEOUTS } from '../../../../lab/builtin/proxy/timeouts.ts';
import { encodeUserControl, MessageTypeId, UserControlEvent } from '../../../../protocols/rtmp/messages.ts';
import { clientsOf, eventually, publishForever, RtmpPeer, startNode, stopAll } from '../support.ts';
import {
  registrationOf,
  silentOrigin,
  startOrigins,
  startProxy,
  startRedis,
  vanishedOrigin,
  withOrigin,
} from './support.ts';

after(stopAll);

test('a publisher whose origin is gone gets another at once; players follow', async (t) => {
  const proxy = await startProxy(t, { timeouts: { reply: 600 } });
  const origins = await startOrigins(t, [proxy], 2);
  const publisher = await publishForever(proxy.node, 'a');
  const held = await eventually('one has it', async () => {
    for (const origin of origins) if ((await clientsOf(origin)).length > 0) return origin;
    return undefined;
  });
  const other = origins.find((origin) => origin !== held)!;
  const player = await RtmpPeer.player(proxy.node, 'a');
  await held.kill();
  await publisher.until('its end', () => publisher.closed);
  await player.until('its end', () => player.closed);
  const early = await RtmpPeer.open(proxy.node);
  early.command('createStream', 2);
  early.command('play', 0, 'a');
  await early.until('an end: its encoder is not back', () => early.closed);
  await publishForever(proxy.node, 'a');
  const again = await RtmpPeer.player(proxy.node, 'a');
  await again.until('frames', () => again.videoTimes.length > 5);
  assert.equal((await clientsOf(other)).length, 2);
});

test('an origin that is frozen is given up', async (t) => {
  const proxy = await startProxy(t, { timeouts: { reply: 300 } });
  await silentOrigin(t, proxy);
  const [origin] = await startOrigins(t, [proxy], 1);
  for (const stream of ['a', 'b']) await RtmpPeer.publisher(proxy.node, stream);
  assert.equal((await clientsOf(origin!)).length, 2);
});

test('an origin whose host is gone is given up, too, sooner than one that does not answer', async (t) => {
  const proxy = await startProxy(t, { timeouts: { connect: 300 } });
  await vanishedOrigin(t, proxy);
  const [origin] = await startOrigins(t, [proxy], 1);
  const began = performance.now();
  for (const stream of ['a', 'b']) await RtmpPeer.publisher(proxy.node, stream);
  assert.ok(performance.now() - began < DEFAULT_TIMEOUTS.reply);
  assert.equal((await clientsOf(origin!)).length, 2);
});

test('a client that goes frees the origin at once, and the other way round', async (t) => {
  const { proxy, origin } = await withOrigin(t);
  const publisher = await RtmpPeer.publisher(proxy.node, 'a');
  publisher.socket.resetAndDestroy();
  await eventually('the origin is free', async () => (await clientsOf(origin)).length === 0);
  const player = await RtmpPeer.player(proxy.node, 'a');
  await origin.kill();
  await player.until('an end', () => player.closed);

  const keeping = await withOrigin(t, ['proxy-keeps-backend']);
  const left = await RtmpPeer.publisher(keeping.proxy.node, 'a');
  left.close();
  await eventually('the proxy has seen it', () => left.closed);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal((await clientsOf(keeping.origin)).length, 1);
});

test('a player that does not read stops the origin, not the proxy', async (t) => {
  const proxy = await startProxy(t);
  // In a process of its own: what it keeps for its player is not the proxy's.
  const origin = await startNode({ role: 'origin' });
  t.after(() => origin.kill());
  await proxy.register(registrationOf(origin, 'o'));
  const publisher = await RtmpPeer.publisher(proxy.node, 'a');
  publisher.headers();
  const player = await RtmpPeer.player(proxy.node, 'a');
  player.socket.pause();
  let sent = 0;
  for (let frame = 0; frame < 400; frame++) {
    publisher.video(frame * 40, frame % 25 === 0, 100_000);
    sent += 100_000;
    if (publisher.socket.writableNeedDrain) await once(publisher.socket, 'drain');
  }
  await eventually('the origin has all', async () => {
    const streams = (await origin.api('/api/v1/streams/')).streams as { recv_bytes: number }[];
    return streams[0]!.recv_bytes >= sent;
  });
  const passed = await proxy.metric('liveproof_proxy_bytes_total{protocol="rtmp",direction="down"}');
  assert.ok(
    passed < sent / 3,
    `${passed} of ${sent} bytes: no more than the system's buffers and a high water`,
  );
});

test('what is not RTMP, or not in order, ends that connection alone', async (t) => {
  const { proxy } = await withOrigin(t);
  const publisher = await publishForever(proxy.node, 'a');
  const ends = async (bytes: Uint8Array): Promise<void> => {
    const socket = connect({ host: '127.0.0.1', port: proxy.rtmp });
    socket.on('error', () => {});
    socket.write(bytes);
    await once(socket, 'close');
  };
  await ends(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
  for (const name of ['publish', 'play']) {
    const early = await RtmpPeer.open(proxy.node);
    early.command(name, 5, 'b', 'live');
    await early.until(`the end of ${name} without createStream`, () => early.closed);
  }
  const many = await RtmpPeer.open(proxy.node);
  for (let index = 0; index < 64; index++) many.command('_checkbw', index);
  await many.until('the end of too many commands', () => many.closed);
  const nameless = await RtmpPeer.open(proxy.node);
  nameless.command('createStream', 2);
  nameless.command('publish', 5, '');
  await nameless.until('the end without a name', () => nameless.closed);
  const other = await RtmpPeer.publisher(proxy.node, 'b');
  other.command('publish', 6, 'c', 'live');
  await other.until('the end of another stream on it', () => other.closed);
  assert.equal(publisher.closed, false);
  assert.equal(await proxy.metric('liveproof_proxy_errors_total{protocol="rtmp",reason="malformed"}'), 6);
});

test('a client that stalls before play or publish is given up', async (t) => {
  const proxy = await startProxy(t, { timeouts: { handshake: 1500 } });
  const peer = await RtmpPeer.open(proxy.node);
  await peer.until('an end', () => peer.closed);
  assert.ok(proxy.log.some((line) => line.includes('stalled')));
});

test('a client that asks on and on and does not read is ended before that fills the memory', async (t) => {
  const proxy = await startProxy(t);
  const peer = await RtmpPeer.open(proxy.node);
  peer.socket.pause();
  const ping = encodeUserControl(UserControlEvent.PingRequest, 1);
  const pings = Buffer.concat(
    Array.from({ length: 5000 }, () => peer.writer.encode(2, MessageTypeId.UserControl, 0, 0, ping)),
  );
  // Much more than the buffers of the system.
  for (let sent = 0; sent < 32e6 && !peer.closed; sent += pings.length) {
    peer.socket.write(pings);
    do await new Promise((resolve) => setImmediate(resolve));
    while (peer.socket.writableNeedDrain && !peer.closed);
  }
  await peer.until('its end', () => peer.closed, 1000);
});

test('running streams go on without Redis, unless a mutant ends them', async (t) => {
  const redis = await startRedis(t);
  const { environment } = redis;
  const proxy = await startProxy(t, { environment, timeouts: { redis: 300 } });
  const mutant = await startProxy(t, { environment, mutants: ['proxy-redis-down-ends-streams'] });
  await startOrigins(t, [proxy], 1);
  await publishForever(proxy.node, 'a');
  const player = await RtmpPeer.player(proxy.node, 'a');
  const ended = await RtmpPeer.player(mutant.node, 'a');
  await redis.stop();
  await ended.until('the end of the mutant’s', () => ended.closed);
  const frames = player.videoTimes.length;
  await player.until('more frames', () => player.videoTimes.length > frames + 25);
  const known = await RtmpPeer.player(proxy.node, 'a');
  await known.until('frames', () => known.videoTimes.length > 0);
  assert.equal(await proxy.metric('liveproof_proxy_redis_up'), 0);
});
