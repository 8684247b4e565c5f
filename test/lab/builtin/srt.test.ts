/** The SRT port of a builtin origin, with bare callers. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { MediaType } from '../../../protocols/media.ts';
import { isControl } from '../../../protocols/srt/packet.ts';
import {
  hangUpAll,
  messages,
  playId,
  publishId,
  type SrtNode,
  SrtPeer,
  source,
  startSrtNode,
} from './srt-support.ts';
import { clientsOf, eventually, FlvPeer, publishForever, RtmpPeer, stopAll } from './support.ts';

const PASSPHRASE = 'a passphrase of ours';
/** The idle time is longer than that between two keep-alives, which is 1 s. */
const SHORT = { srtPublishSilence: 600, srtPeerIdle: 2500 };
const media = messages();
const all = Buffer.concat(media.map(({ payload }) => payload));

let node: SrtNode;
let locked: SrtNode;

before(async () => {
  [node, locked] = await Promise.all([
    startSrtNode(),
    startSrtNode({ passphrase: PASSPHRASE, pbkeylen: 24 }, { timeouts: SHORT }),
  ]);
});

after(async () => {
  hangUpAll();
  await stopAll();
});

const typesOf = async (of: SrtNode, stream: string): Promise<unknown[]> =>
  (await clientsOf(of)).filter(({ url }) => url === `/live/${stream}`).map(({ type }) => type);

describe('publishing', { concurrency: true }, () => {
  test('RTMP and HTTP-FLV players get every body and timestamp, SRT players every byte', async () => {
    const rtmp = await RtmpPeer.player(node, 'exact');
    const flv = new FlvPeer(node, '/live/exact.flv');
    const srt = await SrtPeer.open(node, playId('exact'));
    const publisher = await SrtPeer.open(node, publishId('exact'));
    const second = media.filter(({ at }) => at < 2000);
    publisher.sendInTime(second);
    const sent = source.items.filter(({ type, timestamp }) => type === MediaType.video && timestamp < 2000);
    await rtmp.until('every frame', () => rtmp.videoTimes.length === sent.length, 6000);
    assert.deepEqual(
      rtmp.videoTimes,
      sent.map(({ timestamp }) => timestamp),
    );
    const bodies = rtmp.media(MediaType.video).filter(({ payload }) => payload[1] === 1);
    for (const [at, { body }] of sent.entries()) assert.ok(Buffer.from(bodies[at]!.payload).equals(body));
    const bytes = Buffer.concat(second.map(({ payload }) => payload));
    await srt.until('every byte', () => srt.received.length >= bytes.length);
    assert.ok(srt.received.equals(bytes));
    await eventually('the last frame in HTTP-FLV', () => flv.bytes.includes(Buffer.from(sent.at(-1)!.body)));
    assert.deepEqual((await typesOf(node, 'exact')).sort(), [
      'flv-play',
      'rtmp-play',
      'srt-play',
      'srt-publish',
    ]);
    publisher.hangUp();
    await eventually(
      'the stream to be free',
      async () => !(await typesOf(node, 'exact')).includes('srt-publish'),
    );
    assert.ok(srt.connected, 'an SRT player waits for the next publisher');
    const next = await SrtPeer.open(node, publishId('exact'));
    next.connection.send(media[0]!.payload, performance.now());
    await srt.until('bytes of the next publisher', () => srt.received.length > bytes.length);
  });

  test('a second publisher is accepted and closed, whichever protocol the first has', async () => {
    const first = await SrtPeer.open(node, publishId('busy'));
    first.sendInTime(media);
    const rtmp = await publishForever(node, 'busy-rtmp');
    for (const stream of ['busy', 'busy-rtmp']) {
      const second = await SrtPeer.open(node, publishId(stream));
      await second.untilClosed(1000);
      assert.equal(second.closure?.code, 'srt.shutdown');
    }
    const third = await RtmpPeer.open(node);
    third.askToPublish('busy');
    await eventually('the RTMP publisher to be refused', () => third.closed);
    assert.ok(first.connected);
    assert.deepEqual(await typesOf(node, 'busy'), ['srt-publish']);
    first.hangUp();
    rtmp.close();
  });

  test('what is no transport stream ends the connection', async () => {
    for (const payload of [
      Buffer.alloc(188),
      Buffer.alloc(187, 0x47),
      Buffer.alloc(376, 0x47).fill(0, 188),
    ]) {
      const publisher = await SrtPeer.open(node, publishId('wrong'));
      assert.ok(publisher.connected);
      publisher.connection.send(payload, performance.now());
      await publisher.untilClosed();
      assert.equal(publisher.closure?.code, 'srt.shutdown');
    }
    assert.deepEqual(await typesOf(node, 'wrong'), []);
  });

  test('a stream id without a known mode is accepted and closed', async () => {
    for (const id of ['#!::r=live/x,m=talk', '#!::m=publish', 'live/']) {
      const caller = await SrtPeer.open(node, id);
      await caller.untilClosed();
      assert.equal(caller.closure?.code, 'srt.shutdown', id);
    }
  });
});

describe('playing', { concurrency: true }, () => {
  test('a stream that is missing, or published over RTMP, is silence, and the player is told of', async () => {
    const rtmp = await publishForever(node, 'only-rtmp');
    for (const stream of ['missing', 'only-rtmp']) {
      const player = await SrtPeer.open(node, playId(stream));
      assert.ok(player.connected);
      await eventually('the API to tell it', async () => (await typesOf(node, stream)).includes('srt-play'));
      await new Promise((resolve) => setTimeout(resolve, 400));
      assert.equal(player.payloads.length, 0);
      assert.ok(player.connected);
      player.hangUp();
      await eventually(
        'the API to forget it',
        async () => !(await typesOf(node, stream)).includes('srt-play'),
      );
    }
    rtmp.close();
  });

  test('a client is told with its bytes, and can be thrown out', async () => {
    const publisher = await SrtPeer.open(node, publishId('kicked'));
    publisher.sendInTime(media);
    const player = await SrtPeer.open(node, 'live/kicked');
    await player.until('bytes', () => player.received.length > 10_000);
    const client = (await clientsOf(node)).find(
      ({ type, url }) => type === 'srt-play' && url === '/live/kicked',
    )!;
    assert.ok((client.send_bytes as number) > 10_000);
    assert.deepEqual([client.ip, client.name, client.publish], ['127.0.0.1', 'kicked', false]);
    await node.api(`/api/v1/clients/${client.id}`, 'DELETE');
    await player.untilClosed();
    assert.equal(player.closure?.code, 'srt.shutdown');
    publisher.hangUp();
  });

  test('lost packets come again within the latency, both ways', async () => {
    const srt = await SrtPeer.open(node, playId('lossy'), { latencyMs: 500 });
    const publisher = await SrtPeer.open(node, publishId('lossy'), { peerLatencyMs: 500 });
    let seen = 0;
    const every10th = (packet: Uint8Array): boolean => !isControl(packet) && ++seen % 10 === 0;
    srt.loses.in = every10th;
    publisher.loses.out = every10th;
    const second = media.filter(({ at }) => at < 1500);
    publisher.sendInTime(second);
    const bytes = Buffer.concat(second.map(({ payload }) => payload));
    await srt.until('every byte', () => srt.received.length >= bytes.length, 6000);
    assert.ok(srt.received.equals(bytes));
    assert.ok(srt.connection.figures.retransmitsReceived > 0);
    assert.ok(publisher.connection.figures.retransmitsSent > 0);
    srt.hangUp();
    publisher.hangUp();
  });
});

describe('settings', { concurrency: true }, () => {
  test('the larger latency of both ends counts', async () => {
    const agreed = async (of: SrtNode, mine: number, peer: number): Promise<number[]> => {
      const caller = await SrtPeer.open(of, playId('latency'), { latencyMs: mine, peerLatencyMs: peer });
      const { receiveLatencyMs, sendLatencyMs } = caller.connection.agreement!;
      caller.hangUp();
      return [receiveLatencyMs, sendLatencyMs];
    };
    assert.deepEqual(await agreed(node, 20, 0), [20, 120]);
    assert.deepEqual(await agreed(node, 300, 250), [300, 250]);
    const slow = await startSrtNode({ latencyMs: 400, peerLatencyMs: 350 });
    assert.deepEqual(await agreed(slow, 20, 20), [350, 400]);
    await slow.kill();
  });

  test('a passphrase: the right one works in both directions, a wrong one and none are rejected', async () => {
    const options = { passphrase: PASSPHRASE };
    const player = await SrtPeer.open(locked, playId('secret'), options);
    const publisher = await SrtPeer.open(locked, publishId('secret'), options);
    let clear = 0;
    player.loses.in = (packet) => {
      if (!isControl(packet) && all.includes(Buffer.from(packet.subarray(16, 116)))) clear++;
      return false;
    };
    const start = media.slice(0, 20);
    for (const { payload } of start) publisher.connection.send(payload, performance.now());
    const bytes = Buffer.concat(start.map(({ payload }) => payload));
    await player.until('every byte', () => player.received.length >= bytes.length);
    assert.ok(player.received.equals(bytes));
    assert.equal(clear, 0, 'nothing is sent in the clear');
    const reasons = [];
    for (const wrong of [{ passphrase: 'another passphrase' }, {}]) {
      const refused = await SrtPeer.open(locked, playId('secret'), wrong);
      reasons.push(refused.closure?.code);
    }
    assert.deepEqual(reasons, ['srt.rejected.bad-secret', 'srt.rejected.unsecure']);
    const needless = await SrtPeer.open(node, playId('secret'), options);
    assert.equal(needless.closure?.code, 'srt.rejected.unsecure');
  });

  test('a silent publisher is closed in time; so are callers that have vanished', async () => {
    const options = { passphrase: PASSPHRASE };
    const began = performance.now();
    const silent = await SrtPeer.open(locked, publishId('silent'), options);
    const player = await SrtPeer.open(locked, playId('silent'), options);
    await silent.untilClosed(3000);
    assert.ok(silent.closedAt - began > SHORT.srtPublishSilence / 2);
    assert.equal(silent.closure?.code, 'srt.shutdown');
    await new Promise((resolve) => setTimeout(resolve, 2 * SHORT.srtPeerIdle - SHORT.srtPublishSilence));
    assert.ok(player.connected, 'a player that only keeps alive stays');
    player.vanish();
    await eventually('it to be forgotten', async () => (await typesOf(locked, 'silent')).length === 0, 8000);
  });

  test('callers count to max_connections, and are closed beyond', async () => {
    const small = await startSrtNode({}, { settings: { maxConnections: 3 } });
    const within = [await SrtPeer.open(small, playId('a')), await SrtPeer.open(small, playId('b'))];
    const rtmp = await RtmpPeer.open(small);
    const beyond = await SrtPeer.open(small, playId('c'));
    await beyond.untilClosed();
    assert.equal(beyond.closure?.code, 'srt.shutdown');
    rtmp.close();
    within[0]!.hangUp();
    await eventually('room again', async () => {
      const caller = await SrtPeer.open(small, playId('d'));
      await new Promise((resolve) => setTimeout(resolve, 100));
      return caller.connected;
    });
    await small.kill();
  });
});
