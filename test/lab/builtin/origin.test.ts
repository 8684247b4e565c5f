/** A builtin origin, publisher and players by hand: order, cache, merged writes, refusals, limits. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import {
  clientsOf,
  eventually,
  FlvPeer,
  publishForever,
  ROOT,
  RtmpPeer,
  startNode,
  stopAll,
  type TestNode,
} from './support.ts';

const TIMEOUTS = {
  handshake: 600,
  publishFirst: 700,
  publishSilence: 500,
  republish: 500,
  httpRequest: 400,
};
let node: TestNode;

before(async () => {
  node = await startNode();
});
after(stopAll);

/** Keyframe at every 10th frame of 40 ms. */
function push(publisher: RtmpPeer, from: number, to: number): void {
  for (let i = from; i < to; i++) publisher.video(1000 + i * 40, i % 10 === 0);
}

describe('joining', () => {
  test('metadata, audio header, video header, the GOP from its keyframe, then live: nothing twice, nothing lost', async () => {
    const publisher = await RtmpPeer.publisher(node, 'join');
    publisher.headers();
    push(publisher, 0, 25);
    publisher.audio(2000);
    const player = await RtmpPeer.player(node, 'join');
    await player.until('the GOP', () => player.media(8).length === 2);
    const order = player.messages.filter(({ messageTypeId }) => [8, 9, 18].includes(messageTypeId));
    const access = order.findIndex(({ payload }) => payload.includes(0x7c));
    const media = order.slice(access + 1);
    assert.deepEqual(
      media.slice(0, 4).map(({ messageTypeId, payload }) => [messageTypeId, payload[0], payload[1]]),
      [
        [18, 2, 0],
        [8, 0xaf, 0],
        [9, 0x17, 0],
        [9, 0x17, 1],
      ],
    );
    push(publisher, 25, 40);
    await player.until('live', () => player.videoTimes.at(-1) === 1000 + 39 * 40);
    assert.deepEqual(
      player.videoTimes,
      Array.from({ length: 20 }, (_, i) => 1000 + (20 + i) * 40),
    );
    publisher.close();
    player.close();
  });

  test('joiners at any time between frames and ticks get each frame once', async () => {
    const publisher = await RtmpPeer.publisher(node, 'ticks');
    publisher.headers();
    const players: RtmpPeer[] = [];
    for (let i = 0; i < 60; i++) {
      publisher.video(i * 40, i % 10 === 0);
      if (i % 3 === 0) players.push(await RtmpPeer.player(node, 'ticks'));
    }
    for (const player of players) {
      await player.until('the last frame', () => player.videoTimes.at(-1) === 59 * 40);
      const [first = 0] = player.videoTimes;
      assert.equal(first % 400, 0, 'begins with a keyframe');
      const expected = Array.from({ length: (59 * 40 - first) / 40 + 1 }, (_, i) => first + i * 40);
      assert.deepEqual(player.videoTimes, expected);
      player.close();
    }
    publisher.close();
  });

  test('merged writes: a player is written to about once per interval, whatever the frame rate', async () => {
    const slow = await startNode({ settings: { mergedWriteMs: 300 } });
    const publisher = await RtmpPeer.publisher(slow, 'merged');
    publisher.headers();
    const player = await RtmpPeer.player(slow, 'merged');
    let reads = 0;
    player.socket.on('data', () => reads++);
    const end = performance.now() + 1500;
    let frame = 0;
    while (performance.now() < end) {
      publisher.video(frame * 10, frame % 100 === 0, 50);
      frame++;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await player.until('all frames', () => player.videoTimes.length === frame);
    assert.ok(reads >= 4 && reads <= 8, `${reads} reads in 1.5 s of writes every 300 ms`);
    await slow.kill();
  });
});

describe('leaving and coming back', () => {
  test('at unpublish HTTP-FLV players are disconnected, RTMP players stay and see the next publisher', async () => {
    const first = await RtmpPeer.publisher(node, 'again');
    first.headers();
    push(first, 0, 10);
    const player = await RtmpPeer.player(node, 'again');
    const flv = new FlvPeer(node, '/live/again.flv');
    await eventually('FLV media', () => flv.bytes.length > 1000);
    first.close();
    await eventually('the FLV player is disconnected', () => flv.closed);
    assert.equal(flv.bytes.subarray(-5).toString('latin1'), '0\r\n\r\n');
    const second = await RtmpPeer.publisher(node, 'again');
    second.headers();
    second.video(50_000, true);
    await player.until('the second publisher', () => player.videoTimes.at(-1) === 50_000);
    assert.equal(player.closed, false);
    second.close();
    player.close();
  });

  test('an FLV player of a missing stream is accepted, answered nothing, and served when the stream comes', async () => {
    const flv = new FlvPeer(node, '/live/later.flv');
    await eventually('the player in the API', async () =>
      (await clientsOf(node)).some(({ name, type }) => name === 'later.flv' && type === 'flv-play'),
    );
    // Who comes after it, and has a publisher, is served meanwhile.
    const beside = await RtmpPeer.publisher(node, 'beside');
    push(beside, 0, 10);
    const served = new FlvPeer(node, '/live/beside.flv');
    await eventually('media for the one beside it', () => served.bytes.length > 1000);
    assert.equal(flv.bytes.length, 0);
    assert.equal(flv.closed, false);
    served.close();
    beside.close();
    const publisher = await RtmpPeer.publisher(node, 'later');
    publisher.headers();
    publisher.video(0, true);
    await eventually('media', () => flv.bytes.length > 200);
    const head = flv.bytes.toString('latin1');
    assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(head, /\r\nContent-Type: video\/x-flv\r\n/);
    assert.match(head, /\r\nTransfer-Encoding: chunked\r\n/);
    assert.ok(head.includes('\r\n\r\nd\r\nFLV\x01\x05\0\0\0\t\0\0\0\0\r\n'));
    flv.close();
    publisher.close();
    await eventually('the player is forgotten', async () =>
      (await clientsOf(node)).every(({ name }) => name !== 'later.flv'),
    );
  });

  test('an FLV header announces video only when no audio comes', async () => {
    const publisher = await RtmpPeer.publisher(node, 'mute');
    publisher.video(0, true);
    const flv = new FlvPeer(node, '/live/mute.flv');
    await eventually('the header', () => flv.bytes.includes('FLV\u0001\u0001'));
    flv.close();
    publisher.close();
  });
});

describe('refusals and limits', () => {
  test('a second publisher gets onFCPublish and the end, without Publish.Start; the first notices nothing', async () => {
    const first = await RtmpPeer.publisher(node, 'busy');
    first.headers();
    const player = await RtmpPeer.player(node, 'busy');
    const second = await RtmpPeer.open(node);
    second.askToPublish('busy');
    await second.until('the end', () => second.closed, 1000);
    const names = second.commands.map(({ name }) => name);
    assert.ok(names.includes('onFCPublish'));
    assert.ok(!names.includes('onStatus'));
    first.video(40, true);
    await player.until('the first goes on', () => player.videoTimes.includes(40));
    assert.equal(first.closed, false);
    first.close();
    player.close();
  });

  test('the publisher may come back after FCUnpublish on the same connection', async () => {
    const publisher = await RtmpPeer.publisher(node, 'same');
    publisher.command('FCUnpublish', 6, 'same');
    await publisher.status('NetStream.Unpublish.Success');
    publisher.commands.length = 0;
    publisher.askToPublish('same');
    await publisher.status('NetStream.Publish.Start');
    publisher.close();
  });

  test('the app is that of tcUrl where connect names none, as SRS’s own proxy does it', async () => {
    const publisher = await RtmpPeer.publisher(node, 'by-tcurl', { app: '', tcUrlApp: 'live' });
    const [client] = (await clientsOf(node)).filter(({ name }) => name === 'by-tcurl');
    assert.equal(client?.url, '/live/by-tcurl');
    publisher.close();
  });

  test('a ping is answered; an Acknowledgement is sent once per window', async () => {
    const publisher = await RtmpPeer.publisher(node, 'ping');
    publisher.send(2, 4, 0, 0, Uint8Array.of(0, 6, 1, 2, 3, 4));
    await publisher.until('the answer', () =>
      publisher.messages.some(
        ({ messageTypeId, payload }) =>
          messageTypeId === 4 && Buffer.from(payload).equals(Uint8Array.of(0, 7, 1, 2, 3, 4)),
      ),
    );
    publisher.send(2, 5, 0, 0, Uint8Array.of(0, 0, 0x27, 0x10));
    // What is read at once is acknowledged once, however much it is.
    for (let i = 0; i < 50; i++) publisher.video(i * 40, false, 500);
    await publisher.until('an Acknowledgement', () =>
      publisher.messages.some(({ messageTypeId }) => messageTypeId === 3),
    );
    for (let i = 50; i < 100; i++) publisher.video(i * 40, false, 500);
    await publisher.until('two Acknowledgements', () => {
      return publisher.messages.filter(({ messageTypeId }) => messageTypeId === 3).length >= 2;
    });
    publisher.close();
  });

  test('malformed bytes at any stage close their own connection only', async () => {
    const publisher = await RtmpPeer.publisher(node, 'safe');
    publisher.headers();
    const player = await RtmpPeer.player(node, 'safe');
    const badVersion = connect(node.config.rtmpPort, node.config.host);
    badVersion.on('error', () => {});
    badVersion.write(Buffer.alloc(1537, 0x47));
    await once(badVersion, 'close');
    const badChunk = await RtmpPeer.open(node);
    badChunk.socket.write(Buffer.alloc(64, 0xff));
    await badChunk.until('the end', () => badChunk.closed);
    const badCommand = await RtmpPeer.open(node);
    badCommand.send(3, 20, 0, 0, Uint8Array.of(2, 0, 200, 1));
    await badCommand.until('the end', () => badCommand.closed);
    publisher.video(80, true);
    await player.until('others go on', () => player.videoTimes.includes(80));
    publisher.close();
    player.close();
  });

  test('malformed HTTP is answered 400, an endless head 431, anything but a stream 404', async () => {
    const answers: [string, RegExp][] = [
      ['\x16\x03\x01\x02\x00\x01', /^HTTP\/1\.1 400 /],
      ['GET\r\n\r\n', /^HTTP\/1\.1 400 /],
      ['GET /live/x.flv HTTP/1.1\r\nno colon\r\n\r\n', /^HTTP\/1\.1 400 /],
      ['GET /live/x.flv HTTP/1.1\r\nContent-Length: -1\r\n\r\n', /^HTTP\/1\.1 400 /],
      ['GET /live/x.flv HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', /^HTTP\/1\.1 400 /],
      [`GET /live/x.flv HTTP/1.1\r\nA: ${'a'.repeat(20_000)}`, /^HTTP\/1\.1 431 /],
      ['GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1\.1 404 /],
    ];
    for (const [request, expected] of answers) {
      const socket = connect(node.config.httpPort, node.config.host);
      let answer = '';
      socket.on('data', (bytes) => {
        answer += bytes.toString('latin1');
      });
      socket.on('error', () => {});
      socket.write(request, 'latin1');
      await once(socket, 'close');
      assert.match(answer, expected);
    }
  });

  test('who stalls in the handshake, in a request head, or as a publisher is closed in time', async () => {
    const strict = await startNode({ timeouts: TIMEOUTS });
    const half = connect(strict.config.rtmpPort, strict.config.host);
    half.write(Uint8Array.of(3, 0, 0));
    const head = connect(strict.config.httpPort, strict.config.host);
    head.write('GET /live/x.flv HTTP/1.1\r\n');
    const silent = await RtmpPeer.publisher(strict, 'silent');
    const stopping = await RtmpPeer.publisher(strict, 'stopping');
    stopping.video(0, true);
    half.resume();
    head.resume();
    await Promise.all([
      once(half, 'close'),
      once(head, 'close'),
      silent.until('no first message', () => silent.closed, 2000),
      stopping.until('silence', () => stopping.closed, 3000),
    ]);
    assert.match(strict.output, /stalled in handshake/);
    await strict.kill();
  });

  test('who has left a stream and wants nothing else is closed in time; who begins again is not', async () => {
    const strict = await startNode({ timeouts: TIMEOUTS });
    const again = await publishForever(strict, 'again');
    const published = await RtmpPeer.publisher(strict, 'published');
    const played = await RtmpPeer.player(strict, 'again');
    again.command('FCUnpublish', 6, 'again');
    published.command('FCUnpublish', 6, 'published');
    played.command('closeStream', 0);
    await again.status('NetStream.Unpublish.Success');
    again.commands.length = 0;
    again.askToPublish('again');
    await again.status('NetStream.Publish.Start');
    await Promise.all([
      published.until('the end of who published', () => published.closed, 2000),
      played.until('the end of who played', () => played.closed, 2000),
    ]);
    assert.match(strict.output, /closed: stalled in connected/);
    assert.equal(again.closed, false);
    await strict.kill();
  });

  test('max_connections: one more is closed at once, and let in when another has left', async () => {
    const small = await startNode({ settings: { maxConnections: 3 } });
    const inside = [
      await RtmpPeer.open(small),
      await RtmpPeer.open(small),
      await RtmpPeer.player(small, 'x'),
    ];
    await assert.rejects(RtmpPeer.open(small));
    inside[0]!.close();
    await eventually('room again', () =>
      RtmpPeer.open(small).then(
        () => true,
        () => false,
      ),
    );
    for (const peer of inside) peer.close();
    await small.kill();
  });

  test('a kicked client is closed', async () => {
    const player = await RtmpPeer.player(node, 'kicked');
    const client = (await clientsOf(node)).find(({ url }) => url === '/live/kicked');
    assert.deepEqual((await node.api(`/api/v1/clients/${client?.id}`, 'DELETE')).code, 0);
    await player.until('the end', () => player.closed);
    assert.equal((await node.api(`/api/v1/clients/${client?.id}`, 'DELETE')).code, 2049);
  });
});

describe('recorded bytes of other programs', () => {
  for (const [program, use] of [
    ['srs-7.0.18', 'ffmpeg-publish'],
    ['nginx-rtmp-1.2.2', 'ffmpeg-publish'],
  ] as const) {
    test(`${use} as recorded at ${program} publishes here`, async () => {
      const bytes = readFileSync(`${ROOT}fixtures/captures/${program}/${use}.c2s.bin`);
      const socket = connect(node.config.rtmpPort, node.config.host);
      socket.on('error', () => {});
      socket.resume();
      socket.write(bytes);
      const stream = await eventually('the stream with its pictures', async () => {
        const { streams } = await node.api('/api/v1/streams/');
        return (streams as Record<string, unknown>[]).find(({ video }) => video !== null);
      });
      assert.deepEqual(stream.video, {
        codec: 'H264',
        profile: 'Baseline',
        level: '1.2',
        width: 320,
        height: 180,
      });
      assert.deepEqual(stream.audio, { codec: 'AAC', sample_rate: 44100, channel: 2, profile: 'LC' });
      socket.destroy();
      await eventually('the stream is gone', async () => {
        const { streams } = await node.api('/api/v1/streams/');
        return (streams as unknown[]).length === 0;
      });
    });
  }
});

test('the process ends with the pipe that is its stdin, and at SIGTERM', async () => {
  const [orphan, told] = await Promise.all([startNode(), startNode()]);
  const gone = Promise.all([once(orphan.process, 'exit'), once(told.process, 'exit')]);
  orphan.process.stdin!.end();
  told.process.kill('SIGTERM');
  assert.deepEqual((await gone).flat(), [0, null, 0, null]);
});
