import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { MutantId } from '../../../../lab/builtin/mutants.ts';
import { amfProperty } from '../../../../protocols/amf0/amf0.ts';
import { clientsOf, eventually, publishForever, RtmpPeer, startNode, stopAll } from '../support.ts';
import { registrationOf, silentOrigin, startProxy, statusOf, withOrigin } from './support.ts';

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

test('tcUrl, arguments, query and vhost reach the origin as the client said them', async (t) => {
  const { proxy, origin } = await withOrigin(t);
  await RtmpPeer.publisher(proxy.node, 'a?vhost=v.example.com&token=secret', { app: 'live?key=1' });
  const client = (await clientsOf(origin))[0]!;
  assert.equal(client.tcUrl, `rtmp://127.0.0.1:${proxy.rtmp}/live?key=1`);
  assert.ok(!proxy.log.join('\n').includes('secret'));
  const dropping = await withOrigin(t, ['proxy-drops-token']);
  await RtmpPeer.publisher(dropping.proxy.node, 'a?token=secret');
  assert.equal((await clientsOf(dropping.origin)).length, 1);
});

test('nobody hears that it has begun before the origin has said so', async (t) => {
  const told = async (mutants: readonly MutantId[]): Promise<boolean> => {
    const proxy = await startProxy(t, { mutants, timeouts: { connect: 300 } });
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
  const there = await startNode({ role: 'origin' });
  const here = await startNode({ role: 'origin', coworkers: [`127.0.0.1:${there.config.apiPort}`] });
  t.after(() => Promise.all([there.kill(), here.kill()]));
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
