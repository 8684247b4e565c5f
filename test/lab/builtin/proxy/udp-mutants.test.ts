/** Mutants of the UDP side of the proxy do what they say, and nothing that would give them away otherwise. */
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { after, describe, type TestContext, test } from 'node:test';
import type { MutantId } from '../../../../lab/builtin/mutants.ts';
import { RtcProxy } from '../../../../lab/builtin/proxy/rtc.ts';
import { SrtProxy } from '../../../../lab/builtin/proxy/srt.ts';
import { SrtState } from '../../../../protocols/srt/connection.ts';
import { encodeHandshake, HandshakeType, inductionRequest } from '../../../../protocols/srt/handshake.ts';
import { encodeStun, StunClass, StunMethod } from '../../../../protocols/stun/message.ts';
import { framesOf, publish, TestPlayer } from '../rtc-support.ts';
import { hangUpAll, messages, playId, publishId, type SrtNode, SrtPeer } from '../srt-support.ts';
import { clientsOf, eventually, stopAll, type TestNode } from '../support.ts';
import { Probe, register, startOrigins, startUdpProxy, type UdpProxy } from './udp-support.ts';

const media = messages();

after(async () => {
  hangUpAll();
  await stopAll();
});

async function srtWith(t: TestContext, mutant: MutantId, origins = 1) {
  const timeouts = { srtIdle: 2500 };
  const proxy = await startUdpProxy(t, (context) => new SrtProxy(context), { mutants: [mutant], timeouts });
  const nodes = await startOrigins(t, origins, 'srt');
  await register(proxy.balancer, nodes);
  const door = { config: { host: proxy.host }, srtPort: proxy.srtPort } as SrtNode;
  return { proxy, nodes, door };
}

const srtTypes = async (node: TestNode): Promise<unknown[]> =>
  (await clientsOf(node)).map(({ type }) => type).sort();

describe('srt', { concurrency: 3 }, () => {
  test('proxy-srt-picks-by-caller', async (t) => {
    const { nodes, door } = await srtWith(t, 'proxy-srt-picks-by-caller', 2);
    await SrtPeer.open(door, publishId('x'));
    await SrtPeer.open(door, playId('x'));
    assert.deepEqual((await Promise.all(nodes.map(srtTypes))).toSorted(), [['srt-play'], ['srt-publish']]);
  });

  test('proxy-srt-never-frees', async (t) => {
    const { proxy, nodes, door } = await srtWith(t, 'proxy-srt-never-frees');
    const publisher = await SrtPeer.open(door, publishId('x'));
    publisher.hangUp();
    await eventually('the origin to know', async () => (await srtTypes(nodes[0]!)).length === 0);
    assert.deepEqual([proxy.part.sessions, await proxy.connections('srt')], [1, 1]);
  });

  test('proxy-srt-drops-packets', async (t) => {
    const { door } = await srtWith(t, 'proxy-srt-drops-packets');
    const player = await SrtPeer.open(door, playId('x'), { latencyMs: 300 });
    const publisher = await SrtPeer.open(door, publishId('x'), { peerLatencyMs: 300 });
    const sent = media.filter(({ at }) => at < 2500);
    publisher.sendInTime(sent);
    // Of three in a row each leg loses one at the most, which may be the last.
    const tail = sent.slice(-3).map(({ payload }) => Buffer.from(payload));
    const arrived = () => tail.findLastIndex((one) => player.payloads.some((payload) => payload.equals(one)));
    await player.until('the end', () => arrived() >= 0, 6000);
    const due = sent.length - tail.length + arrived() + 1;
    const missing = due - player.payloads.length;
    assert.ok(missing >= 1 && missing <= 1 + due / 25, `${missing} of ${due} are missing`);
  });

  test('proxy-srt-keeps-shutdown', async (t) => {
    const { nodes, door } = await srtWith(t, 'proxy-srt-keeps-shutdown');
    const player = await SrtPeer.open(door, playId('x'));
    player.hangUp();
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.deepEqual(await srtTypes(nodes[0]!), ['srt-play']);
    await eventually('its silence to end it', async () => (await srtTypes(nodes[0]!)).length === 0, 8000);
  });

  test('proxy-srt-no-rejection', async (t) => {
    const proxy = await startUdpProxy(t, (context) => new SrtProxy(context), {
      mutants: ['proxy-srt-no-rejection'],
    });
    const door = { config: { host: proxy.host }, srtPort: proxy.srtPort } as SrtNode;
    const caller = new SrtPeer(door, publishId('x'));
    await eventually('it to be refused twice', () => proxy.log.length >= 2);
    assert.equal(caller.connection.state, SrtState.handshaking);
  });

  test('proxy-srt-any-cookie', async (t) => {
    const { proxy, nodes } = await srtWith(t, 'proxy-srt-any-cookie');
    const probe = await Probe.open(t);
    const hs = { response: false, version: 0x010501, flags: 0xbf, receiverDelay: 120, senderDelay: 0 };
    const request = {
      ...inductionRequest(7, 1, 8192),
      version: 5,
      type: HandshakeType.conclusion,
      cookie: 5,
      hs,
    };
    await probe.send(encodeHandshake({ ...request, streamId: playId('x') }, 0, 0), proxy.srtPort);
    await eventually('it to be at the origin', async () => (await srtTypes(nodes[0]!)).length === 1);
  });
});

async function rtcWith(t: TestContext, mutant: MutantId) {
  const proxy = await startUdpProxy(t, (context) => new RtcProxy(context), { mutants: [mutant] });
  const nodes = await startOrigins(t, 1, 'rtc');
  await register(proxy.balancer, nodes);
  publish(t, nodes[0]!.rtmp('x'));
  const url = `whep://${proxy.host}:${proxy.apiPort}/rtc/v1/whep/?app=live&stream=x`;
  const player = () => new TestPlayer(t, url, { webrtc: { transport: 'lite' } });
  return { proxy, player };
}

const stun = (username: string, pwd: string): Uint8Array =>
  encodeStun(
    { class: StunClass.request, method: StunMethod.binding, transactionId: randomBytes(12), username },
    { key: Buffer.from(pwd), hmac: (key, data) => createHmac('sha1', key).update(data).digest() },
  );

describe('rtc', { concurrency: 3 }, () => {
  test('proxy-rtc-drops-packets', async (t) => {
    const { player } = await rtcWith(t, 'proxy-rtc-drops-packets');
    const victim = player();
    await framesOf(victim, 60);
    // A frame is missing when its first packet is, which has the stamp; without another one it is damaged.
    await eventually('the first packet of a frame to be lost', () => victim.counts.missing > 0, 6000);
    assert.ok(victim.rtp.nacked > 0, 'packets are asked for again');
    assert.ok(victim.counts.missing > 0, 'and do not come');
  });

  test('proxy-rtc-mixes-viewers', async (t) => {
    const { player } = await rtcWith(t, 'proxy-rtc-mixes-viewers');
    const first = player();
    await framesOf(first, 10);
    const second = player();
    await framesOf(second, 10);
    const before = first.meter.received;
    await framesOf(second, second.meter.received + 20);
    assert.equal(first.meter.received, before);
    assert.ok(second.srtp!.forged > 0, 'packets with the keys of another');
  });

  test('proxy-rtc-any-check', async (t) => {
    const proxy: UdpProxy<RtcProxy> = await startUdpProxy(t, (context) => new RtcProxy(context), {
      mutants: ['proxy-rtc-any-check'],
    });
    const origin = await Probe.open(t);
    const { address: host, port } = origin.socket.address();
    const at = { host, port };
    const backend = { id: 'o', ip: host, server: 'o', service: 'o', pid: '1', rtmp: at, rtc: at };
    const username = 'orig:clnt';
    proxy.part.relay.open({
      username,
      pwd: 'a'.repeat(22),
      backend,
      streamUrl: 'v/live/x',
      location: undefined,
    });
    const attacker = await Probe.open(t);
    await attacker.send(stun(username, 'b'.repeat(22)), proxy.rtcPort);
    await eventually('it to reach the origin', () => origin.got.length === 1);
  });
});
