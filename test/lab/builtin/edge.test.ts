/** Builtin edges: one pull for all players, its release, an origin's death, redirects and forwarded publishes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { encodeCommand, playRedirectCommand } from '../../../protocols/rtmp/commands.ts';
import { freePorts } from '../../support/ports.ts';
import {
  clientsOf,
  eventually,
  FlvPeer,
  type NodeOptions,
  publishForever,
  RtmpPeer,
  startNode,
  stopAll,
  type TestNode,
} from './support.ts';

let origin: TestNode;
let edge: TestNode;

function edgeOf(upstream: TestNode, options: NodeOptions = {}): Promise<TestNode> {
  const { host, rtmpPort } = upstream.config;
  return startNode({ role: 'edge', host: '127.0.0.2', origins: [{ host, port: rtmpPort }], ...options });
}

/** Pulls of a stream as the origin's API tells them: players that are not encoders. */
async function pulls(stream: string, at = origin): Promise<number> {
  const clients = await clientsOf(at);
  return clients.filter(({ url, publish }) => url === `/live/${stream}` && !publish).length;
}

before(async () => {
  origin = await startNode();
  edge = await edgeOf(origin);
});
after(stopAll);

test('30 RTMP and 30 HTTP-FLV players of one stream cost the origin one pull, from the address of the edge', async () => {
  await publishForever(origin, 'merged');
  const players = await Promise.all(Array.from({ length: 30 }, () => RtmpPeer.player(edge, 'merged')));
  const flv = Array.from({ length: 30 }, () => new FlvPeer(edge, '/live/merged.flv'));
  await Promise.all(players.map((player) => player.until('media', () => player.videoTimes.length > 3)));
  await eventually('FLV media', () => flv.every(({ bytes }) => bytes.length > 1000));
  const upstream = (await clientsOf(origin)).filter(({ publish }) => !publish);
  assert.deepEqual(
    upstream.map(({ ip, type, url }) => [ip, type, url]),
    [['127.0.0.2', 'rtmp-play', '/live/merged']],
  );
  for (const player of players) player.close();
  assert.equal(await pulls('merged'), 1, 'FLV players hold the pull');
  for (const player of flv) player.close();
  await eventually('the pull is released', async () => (await pulls('merged')) === 0, 1000);
});

test('a player who comes while the pull is being released is served, by one pull', async () => {
  await publishForever(origin, 'rejoin');
  for (const pause of [0, 1, 3, 10]) {
    const first = await RtmpPeer.player(edge, 'rejoin');
    await first.until('media', () => first.videoTimes.length > 0);
    first.close();
    await new Promise((resolve) => setTimeout(resolve, pause));
    const second = await RtmpPeer.player(edge, 'rejoin');
    await second.until('media again', () => second.videoTimes.length > 0);
    assert.equal(await pulls('rejoin'), 1);
    second.close();
  }
});

test('no player, no pull; a player of an absent stream is kept and asked for, and served when it comes', async () => {
  const publisher = await publishForever(origin, 'lazy');
  assert.equal(await pulls('lazy'), 0);
  publisher.close();
  const early = await RtmpPeer.player(edge, 'early');
  await eventually('the edge asks', async () => (await pulls('early')) === 1);
  await publishForever(origin, 'early');
  await early.until('media', () => early.videoTimes.length > 0);
  early.close();
});

test('players stay through the death of the origin and see the stream again', async () => {
  const fragile = await startNode({ host: '127.0.0.3' });
  const near = await edgeOf(fragile);
  await publishForever(fragile, 'dies');
  const rtmp = await RtmpPeer.player(near, 'dies');
  const flv = new FlvPeer(near, '/live/dies.flv');
  await rtmp.until('media', () => rtmp.videoTimes.length > 0);
  await eventually('FLV media', () => flv.bytes.length > 1000);
  await fragile.kill();
  await eventually('the pull has ended', () => /ended: /.test(near.output));
  const { rtmpPort, httpPort, apiPort } = fragile.config;
  const again = await startNode({ host: '127.0.0.3', rtmpPort, httpPort, apiPort });
  await publishForever(again, 'dies');
  const [before, flvBefore] = [rtmp.videoTimes.length, flv.bytes.length];
  await rtmp.until('RTMP again', () => rtmp.videoTimes.length > before, 4500);
  await eventually('FLV again', () => flv.bytes.length > flvBefore + 500);
  assert.equal(rtmp.closed || flv.closed, false);
  await Promise.all([near.kill(), again.kill()]);
});

test('round robin: a dead origin is passed over', async () => {
  const [dead] = await freePorts('127.0.0.1', 1);
  await publishForever(origin, 'second');
  const origins = [
    { host: '127.0.0.1', port: dead! },
    { host: origin.config.host, port: origin.config.rtmpPort },
  ];
  const near = await startNode({
    role: 'edge',
    host: '127.0.0.4',
    origins,
    timeouts: { upstreamRetry: 100 },
  });
  const player = await RtmpPeer.player(near, 'second');
  await player.until('media', () => player.videoTimes.length > 0);
  await near.kill();
});

test('a publish at the edge reaches the origin and its players; a busy stream ends the publisher', async () => {
  const publisher = await publishForever(edge, 'forwarded');
  const there = await RtmpPeer.player(origin, 'forwarded');
  const here = await RtmpPeer.player(edge, 'forwarded');
  await there.until('at the origin', () => there.videoTimes.length > 0);
  await here.until('at the edge, by way of the origin', () => here.videoTimes.length > 0);
  const encoder = (await clientsOf(origin)).find(({ url, publish }) => publish && url === '/live/forwarded');
  assert.deepEqual([encoder?.type, encoder?.ip], ['flash-publish', '127.0.0.2']);
  const refused = await RtmpPeer.open(edge);
  refused.askToPublish('forwarded');
  await refused.until('busy at this edge', () => refused.closed);
  await publishForever(origin, 'taken');
  const busyThere = await RtmpPeer.open(edge);
  busyThere.askToPublish('taken');
  await busyThere.until('busy at the origin', () => busyThere.closed);
  publisher.close();
  await eventually('unpublished at the origin', async () =>
    (await clientsOf(origin)).every(({ url, publish }) => !publish || url !== '/live/forwarded'),
  );
  there.close();
  here.close();
});

test('a publisher may come back at the edge on the same connection: the end of its first publication is not its own', async () => {
  const publisher = await publishForever(edge, 'back');
  const there = await RtmpPeer.player(origin, 'back');
  await there.until('at the origin', () => there.videoTimes.length > 0);
  publisher.command('FCUnpublish', 6, 'back');
  await publisher.status('NetStream.Unpublish.Success');
  publisher.commands.length = 0;
  publisher.askToPublish('back');
  await publisher.status('NetStream.Publish.Start');
  const [left, before] = [/unpublish \/live\/back /, there.videoTimes.length];
  await eventually('the first one has ended at the origin', () => left.test(origin.output));
  await there.until('a second of the second one', () => there.videoTimes.length > before + 25);
  assert.equal(publisher.closed, false);
  publisher.close();
  there.close();
});

test('an edge follows a 302 to the origin that has the stream', async () => {
  await publishForever(origin, 'elsewhere');
  const [port] = await freePorts('127.0.0.5', 1);
  const redirecting = await redirector('127.0.0.5', port!, origin.rtmp('elsewhere'));
  const near = await startNode({
    role: 'edge',
    host: '127.0.0.6',
    origins: [{ host: '127.0.0.5', port: port! }],
  });
  const player = await RtmpPeer.player(near, 'elsewhere');
  await player.until('media', () => player.videoTimes.length > 0);
  await near.kill();
  redirecting.close();
});

/** An origin whose every player is sent elsewhere: a real node whose answer to play is exchanged on the way. */
async function redirector(host: string, port: number, location: string) {
  const behind = await startNode({ host: '127.0.0.7' });
  const server = createServer(async (socket: Socket) => {
    socket.on('error', () => {});
    const peer = await import('node:net').then((net) =>
      net.connect(behind.config.rtmpPort, behind.config.host),
    );
    peer.on('error', () => {});
    socket.on('data', (bytes) => peer.write(bytes));
    socket.on('close', () => peer.destroy());
    peer.on('data', (bytes) => {
      if (!bytes.includes('NetStream.Play.Start')) {
        socket.write(bytes);
        return;
      }
      const payload = encodeCommand(playRedirectCommand(location));
      const header = Buffer.from([5, 0, 0, 0, 0, payload.length >> 8, payload.length & 0xff, 20, 1, 0, 0, 0]);
      socket.write(Buffer.concat([header, payload]));
    });
  });
  server.listen(port, host);
  await once(server, 'listening');
  return server;
}
