/** Media of WHIP and WHEP through the proxy, between our clients and builtin origins. */
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { after, describe, type TestContext, test } from 'node:test';
import { RtcProxy } from '../../../../lab/builtin/proxy/rtc.ts';
import type { RtcSessionFields } from '../../../../lab/builtin/proxy/rtc-session.ts';
import { encodeStun, StunClass, StunMethod } from '../../../../protocols/stun/message.ts';
import { framesOf, publish, TestPlayer } from '../rtc-support.ts';
import { clientsOf, eventually, stopAll, type TestNode } from '../support.ts';
import {
  Probe,
  register,
  startOrigins,
  startUdpProxy,
  type UdpProxy,
  type UdpProxyOptions,
} from './udp-support.ts';

const INTACT = { corrupt: 0, unstamped: 0, missing: 0 };
const LITE = { webrtc: { transport: 'lite' } } as const;

const start = (t: TestContext, options?: UdpProxyOptions): Promise<UdpProxy<RtcProxy>> =>
  startUdpProxy(t, (context) => new RtcProxy(context), options);

const url = ({ host, apiPort }: UdpProxy<RtcProxy>, kind: 'whip' | 'whep', stream: string): string =>
  `${kind}://${host}:${apiPort}/rtc/v1/${kind}/?app=live&stream=${stream}`;

const typesAt = async (node: TestNode): Promise<unknown[]> =>
  (await clientsOf(node)).map(({ type }) => type).sort();

async function proxied(t: TestContext, origins: number, options?: UdpProxyOptions) {
  const proxy = await start(t, options);
  const nodes = await startOrigins(t, origins, 'rtc');
  await register(proxy.balancer, nodes);
  return { proxy, nodes, relay: proxy.part.relay };
}

after(stopAll);

describe('WHIP and WHEP through a proxy', { concurrency: 4 }, () => {
  test('two streams at two origins: every frame to both kinds of client, whose media passes the proxy', async (t) => {
    const { proxy, nodes, relay } = await proxied(t, 2);
    const { publication } = publish(t, url(proxy, 'whip', 'a'));
    const other = publish(t, url(proxy, 'whip', 'b')).publication;
    await eventually('both publish', () => publication.frames > 5 && other.frames > 5);
    const players = [
      new TestPlayer(t, url(proxy, 'whep', 'a')),
      new TestPlayer(t, url(proxy, 'whep', 'a'), LITE),
      new TestPlayer(t, url(proxy, 'whep', 'b'), LITE),
    ];
    for (const player of players) await framesOf(player, 40);
    for (const { counts, rtp, witness } of players) {
      assert.deepEqual(counts, INTACT);
      assert.deepEqual([rtp.lost, rtp.damaged, rtp.malformed, rtp.unknown], [0, 0, 0, 0]);
      assert.deepEqual(witness.problems, []);
    }
    const types = await Promise.all(nodes.map(typesAt));
    assert.deepEqual(types.toSorted(), [
      ['rtc-play', 'rtc-play', 'rtc-publish'],
      ['rtc-play', 'rtc-publish'],
    ]);
    assert.deepEqual([relay.sessions, relay.paths], [5, 5]);
    assert.equal(await proxy.connections('webrtc'), 5);
    for (const { client } of players) client.close();
    publication.stop();
    other.stop();
    await eventually('nobody to be left', () => relay.sessions === 0);
    for (const node of nodes) assert.deepEqual(await typesAt(node), []);
    assert.equal(await proxy.connections('webrtc'), 0);
  });

  test('who vanishes is forgotten', async (t) => {
    const { proxy, relay } = await proxied(t, 1, { timeouts: { rtcIdle: 3000 } });
    publish(t, url(proxy, 'whip', 'x'));
    const player = new TestPlayer(t, url(proxy, 'whep', 'x'), LITE);
    await framesOf(player, 5);
    const session = relay.sessions;
    const probe = await Probe.open(t);
    const fields = await pretended(proxy, probe);
    relay.open(fields);
    await probe.send(check(fields), proxy.rtcPort);
    await eventually('its way', () => relay.paths === session + 1);
    await eventually('it to be forgotten', () => relay.sessions === session, 6000);
    assert.equal(relay.paths, session);
    // A player that gets media and says little is not taken for one that has gone.
    await framesOf(player, player.meter.received + 20);
  });

  test('an origin that has gone takes its sessions with it', async (t) => {
    const { proxy, nodes, relay } = await proxied(t, 1);
    publish(t, url(proxy, 'whip', 'x'));
    const player = new TestPlayer(t, url(proxy, 'whep', 'x'), LITE);
    await framesOf(player, 5);
    await nodes[0]!.kill();
    await eventually('sessions to be freed', () => relay.sessions === 0);
  });

  test('media and DELETE reach the origin through another proxy of the same state', async (t) => {
    const { proxy, nodes } = await proxied(t, 2);
    const second = await start(t, { balancer: proxy.balancer });
    const { publication } = publish(t, url(proxy, 'whip', 'x'));
    await eventually('it publishes', () => publication.frames > 5);
    // As if a balancer for UDP stood in front of both.
    const swapped = await start(t, { balancer: proxy.balancer });
    Object.assign(swapped.context.environment.webrtc, { port: second.rtcPort });
    const player = new TestPlayer(t, url(swapped, 'whep', 'x'), LITE);
    await framesOf(player, 20);
    assert.deepEqual(player.counts, INTACT);
    assert.equal(second.part.relay.paths, 1);
    assert.equal(swapped.part.relay.paths, 0);
    const players = async () =>
      (await Promise.all(nodes.map(typesAt))).flat().filter((type) => type === 'rtc-play');
    assert.equal((await players()).length, 1);
    player.client.close();
    await eventually('the origin to know', async () => (await players()).length === 0);
  });
});

async function pretended(proxy: UdpProxy<RtcProxy>, origin: Probe): Promise<RtcSessionFields> {
  const { address: host, port } = origin.socket.address();
  const rtc = { host, port };
  const backend = { id: 'o', ip: host, server: 'o', service: 'o', pid: '1', rtmp: rtc, rtc };
  await proxy.balancer.register(backend);
  return {
    username: `${randomBytes(4).toString('hex')}:here`,
    pwd: randomBytes(12).toString('hex'),
    backend,
    streamUrl: 'v/live/pretended',
    location: undefined,
  };
}

const check = ({ username, pwd }: { username: string; pwd: string }): Uint8Array =>
  encodeStun(
    { class: StunClass.request, method: StunMethod.binding, transactionId: randomBytes(12), username },
    { key: Buffer.from(pwd), hmac: (key, data) => createHmac('sha1', key).update(data).digest() },
  );

// One after the other: a flood would keep the packets of the others waiting in this process.
describe('the UDP port', () => {
  test('a client that comes from several addresses has as many ways, eight at most', async (t) => {
    const proxy = await start(t);
    const { relay } = proxy.part;
    const origin = await Probe.open(t);
    const fields = await pretended(proxy, origin);
    relay.open(fields);
    for (let at = 1; at <= 10; at++) {
      const client = await Probe.open(t);
      await client.send(check(fields), proxy.rtcPort);
      await eventually('the check', () => origin.got.length === at);
    }
    assert.equal(relay.paths, 8);
  });

  test('two clients of one port, at two addresses, are two', async (t) => {
    const proxy = await start(t);
    const { relay } = proxy.part;
    const origin = await Probe.open(t);
    const fields = [await pretended(proxy, origin), await pretended(proxy, origin)];
    const first = await Probe.open(t, '127.0.0.41');
    const { port } = first.socket.address();
    const second = await Probe.open(t, '127.0.0.42', port);
    const answers: [Probe, RtcSessionFields][] = [
      [first, fields[0]!],
      [second, fields[1]!],
    ];
    for (const [client, of] of answers) {
      relay.open(of);
      await client.send(check(of), proxy.rtcPort);
    }
    await eventually('both checks', () => origin.from.length === 2);
    assert.notEqual(origin.from[0]!.port, origin.from[1]!.port);
    for (const { port, address } of origin.from) await origin.send(Buffer.from(`to ${port}`), port, address);
    for (const [at, [client]] of answers.entries()) {
      await eventually('its packet', () => client.got.length > 0);
      assert.equal(String(client.got[0]), `to ${origin.from[at]!.port}`);
    }
    relay.end(relay.open(fields[0]!), 'test');
    await second.send(Buffer.of(0x80, 1), proxy.rtcPort);
    await eventually('the other one to go on', () => origin.got.length === 3);
    assert.equal(relay.paths, 1);
  });

  test('an origin that listens on all addresses answers from another one than it was asked at', async (t) => {
    const proxy = await start(t);
    const origin = await Probe.open(t, '0.0.0.0');
    const { port } = origin.socket.address();
    const fields = await pretended(proxy, origin);
    const rtc = { host: '127.0.0.77', port };
    proxy.part.relay.open({ ...fields, backend: { ...fields.backend, rtc } });
    const client = await Probe.open(t);
    await client.send(check(fields), proxy.rtcPort);
    await eventually('the check', () => origin.got.length === 1);
    const stranger = await Probe.open(t, '127.0.0.78');
    const way = origin.from[0]!;
    await stranger.send(Buffer.from('stranger'), way.port, way.address);
    await origin.send(Buffer.from('answer'), way.port, way.address);
    await eventually('the answer', () => client.got.length > 0);
    await client.send(Buffer.of(0x80, 1), proxy.rtcPort);
    await eventually('what follows', () => origin.got.length === 2);
    assert.deepEqual(client.got.map(String), ['answer']);
  });

  test('without the password a check opens nothing, and neither does noise', async (t) => {
    const proxy = await start(t);
    const { relay } = proxy.part;
    const origin = await Probe.open(t);
    const fields = await pretended(proxy, origin);
    await relay.shared.tell(relay.open(fields));
    const attacker = await Probe.open(t);
    await attacker.send(check({ ...fields, pwd: 'x'.repeat(24) }), proxy.rtcPort);
    for (let at = 0; at < 2000; at++) {
      await attacker.send(check({ username: `u${at}:v`, pwd: 'x' }), proxy.rtcPort);
      await attacker.send(randomBytes(at % 300), proxy.rtcPort);
    }
    await eventually('the flood to be over', () => relay.refused + relay.stray >= 4001);
    assert.deepEqual([relay.sessions, relay.paths, origin.got.length], [1, 0, 0]);
  });

  test('a session that is known to the other proxy only opens for whoever knows its password', async (t) => {
    const proxy = await start(t);
    const second = await start(t, { balancer: proxy.balancer });
    const origin = await Probe.open(t);
    const fields = await pretended(proxy, origin);
    await proxy.part.relay.shared.tell(proxy.part.relay.open(fields));
    const client = await Probe.open(t);
    const { relay } = second.part;
    await client.send(check({ ...fields, pwd: 'y'.repeat(24) }), second.rtcPort);
    await eventually('it to be refused', () => relay.refused === 1);
    assert.equal(relay.sessions, 0);
    await client.send(check(fields), second.rtcPort);
    await eventually('the check', () => origin.got.length === 1);
    proxy.part.relay.end(proxy.part.relay.open(fields), 'DELETE');
    relay.free(relay.open(fields), 'test');
    await client.send(check(fields), second.rtcPort);
    await eventually('it to be refused', () => relay.refused === 2);
  });
});
