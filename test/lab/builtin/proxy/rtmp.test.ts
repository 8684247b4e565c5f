import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { MutantId } from '../../../../lab/builtin/mutants.ts';
import { identify } from '../../../../lab/builtin/proxy/rtmp-identity.ts';
import { amfProperty } from '../../../../protocols/amf0/amf0.ts';
import { connectCommand, playCommand } from '../../../../protocols/rtmp/commands.ts';
import { decodeControlValue, MessageTypeId } from '../../../../protocols/rtmp/messages.ts';
import { clientsOf, eventually, publishForever, RtmpPeer, stopAll } from '../support.ts';
import {
  recordingOrigin,
  registrationOf,
  silentOrigin,
  startOrigin,
  startProxy,
  statusOf,
  type TestProxy,
  type Told,
  withOrigin,
} from './support.ts';

after(stopAll);

for (const form of ['simple', 'digest'] as const) {
  test(`a stream passes frame by frame, after a ${form} handshake`, async (t) => {
    const { proxy, origin } = await withOrigin(t);
    const publisher = await RtmpPeer.publisher(proxy.node, 'live?token=1', { form });
    const player = await RtmpPeer.player(proxy.node, 'live?token=2', { form });
    publisher.headers();
    // Sizes around those of chunks, and timestamps that need the extended field.
    const sizes = [10, 128, 129, 4096, 59_995, 60_000, 60_001, 200_000];
    const from = 0xffffff - 60;
    for (const [index, size] of sizes.entries()) publisher.video(from + index * 40, index === 0, size);
    await player.until('all frames', () => player.videoTimes.length === sizes.length);
    assert.deepEqual(
      player.videoTimes,
      sizes.map((_, index) => from + index * 40),
    );
    assert.deepEqual(
      player
        .media(9)
        .slice(1)
        .map(({ payload }) => payload.length),
      sizes,
    );
    const clients = await clientsOf(origin);
    assert.deepEqual(clients.map(({ type }) => type).sort(), ['fmle-publish', 'rtmp-play']);
    publisher.close();
    player.close();
    await eventually('the origin is free', async () => (await clientsOf(origin)).length === 0);
    assert.equal(await proxy.metric('liveproof_proxy_connections{protocol="rtmp"}'), 0);
  });
}

test('everything that the client said reaches the origin, in its order', async (t) => {
  const ask = async (mutants: readonly MutantId[]): Promise<{ proxy: TestProxy; told: Told }> => {
    const proxy = await startProxy(t, { mutants });
    const { told } = await recordingOrigin(t, proxy);
    const peer = await RtmpPeer.open(proxy.node, { app: 'live?key=1' });
    peer.askToPublish('a?vhost=v.example.com&token=secret');
    return { proxy, told: await told };
  };
  const { proxy, told } = await ask([]);
  const { connect, request, commands } = told;
  assert.equal(amfProperty(connect.object, 'app'), 'live?key=1');
  assert.equal(amfProperty(connect.object, 'tcUrl'), `rtmp://127.0.0.1:${proxy.rtmp}/live?key=1`);
  assert.deepEqual(request.args, ['a?vhost=v.example.com&token=secret', 'live']);
  assert.deepEqual(commands, ['connect', 'releaseStream', 'FCPublish', 'createStream', 'publish']);
  assert.ok(!proxy.log.join('\n').includes('secret'));
  assert.deepEqual((await ask(['proxy-drops-token'])).told.request.args, ['a', 'live']);
});

test('a client is told one chunk size, its origin’s, and nobody a smaller one later', async (t) => {
  const { proxy } = await withOrigin(t);
  const player = await RtmpPeer.player(proxy.node, 'a');
  const sizes = player.messages
    .filter(({ messageTypeId }) => messageTypeId === MessageTypeId.SetChunkSize)
    .map(({ payload }) => decodeControlValue(payload));
  assert.deepEqual(sizes, [60_000]);
});

test('a vhost is part of the name, wherever it is said', () => {
  const named = (app: string, tcUrl: string, stream: string): string | undefined =>
    identify(connectCommand({ app, tcUrl }), playCommand(1, stream))?.streamUrl;
  const url = 'v.example.com/live/a';
  assert.equal(named('live', 'rtmp://v.example.com/live', 'a?t=1'), url);
  assert.equal(named('live', 'rtmp://127.0.0.1:1935/live', 'a?t=1&vhost=v.example.com'), url);
  assert.equal(named('live?vhost=v.example.com', 'rtmp://127.0.0.1/live?vhost=v.example.com', 'a'), url);
  assert.equal(named('live', 'rtmp://127.0.0.1/live', 'a?domain=v.example.com'), url);
  assert.equal(named('live', 'rtmp://127.0.0.1/live', 'a?myvhost=v.example.com'), '__defaultVhost__/live/a');
  assert.equal(named('', 'rtmp://127.0.0.1/', 'a'), undefined);
});

test('nobody hears that it has begun before the origin has said so', async (t) => {
  const told = async (mutants: readonly MutantId[]): Promise<boolean> => {
    const proxy = await startProxy(t, { mutants, timeouts: { reply: 300 } });
    await silentOrigin(t, proxy);
    const peer = await RtmpPeer.open(proxy.node);
    peer.askToPublish('a');
    await peer.until('an end', () => peer.closed);
    return statusOf(peer, 'status')?.code === 'NetStream.Publish.Start';
  };
  assert.equal(await told([]), false);
  assert.equal(await told(['proxy-status-early']), true);
});

test('without an origin there is an answer that says so', async (t) => {
  const proxy = await startProxy(t);
  const peer = await RtmpPeer.open(proxy.node);
  peer.command('createStream', 2);
  peer.command('play', 0, 'a');
  await peer.until('an end', () => peer.closed);
  assert.match(String(statusOf(peer, 'error')?.description), /no origin is alive/);
});

test('a second publisher is refused by the origin as without a proxy', async (t) => {
  const { proxy } = await withOrigin(t);
  await RtmpPeer.publisher(proxy.node, 'a');
  const second = await RtmpPeer.open(proxy.node);
  second.askToPublish('a');
  await second.until('an end', () => second.closed);
  assert.equal(statusOf(second, 'error'), undefined);
  assert.equal(statusOf(second, 'status'), undefined);
});

test('a 302 of the origin passes', async (t) => {
  const proxy = await startProxy(t);
  const there = await startOrigin(t);
  const here = await startOrigin(t, { coworkers: [`127.0.0.1:${there.config.apiPort}`] });
  await publishForever(there, 'a');
  await proxy.register(registrationOf(here, 'here'));
  const player = await RtmpPeer.open(proxy.node);
  player.command('createStream', 2);
  player.command('play', 0, 'a?token=1');
  await player.until('an error', () => statusOf(player, 'error') !== undefined);
  const extra = statusOf(player, 'error')?.ex;
  assert.equal(amfProperty(extra as never, 'code'), 302);
  assert.match(
    String(amfProperty(extra as never, 'redirect2')),
    new RegExp(`:${there.config.rtmpPort}/live/a`),
  );
});
