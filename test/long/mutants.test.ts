/** Each mutant of a node shows what it says, seen by a bare peer; nodes run in this process. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, describe, test } from 'node:test';
import { DefectiveChunkSink } from '../../lab/builtin/defective-chunks.ts';
import { Frame } from '../../lab/builtin/frame.ts';
import { frameFaults } from '../../lab/builtin/frame-faults.ts';
import type { MutantId } from '../../lab/builtin/mutants.ts';
import { MediaNode } from '../../lab/builtin/node.ts';
import { ChunkReader } from '../../protocols/rtmp/chunk-reader.ts';
import { type Message, MessageAssembler } from '../../protocols/rtmp/message-assembler.ts';
import { eventually, FlvPeer, RtmpPeer, stopAll, type TestNode, videoBody } from '../lab/builtin/support.ts';
import { freePorts } from '../support/ports.ts';

const nodes: MediaNode[] = [];

after(async () => {
  for (const node of nodes) node.close();
  await stopAll();
});

/** A node in this process, with the face of one in a process of its own. */
async function local(mutant: MutantId | undefined, upstream?: LocalNode): Promise<LocalNode> {
  const host = upstream ? '127.0.0.2' : '127.0.0.1';
  const [rtmpPort = 0, httpPort = 0, apiPort = 0] = await freePorts(host, 3);
  const node = new MediaNode(
    {
      role: upstream ? 'edge' : 'origin',
      name: 'local',
      host,
      rtmpPort,
      httpPort,
      apiPort,
      origins: upstream
        ? [
            {
              host: upstream.config.host,
              port: upstream.config.rtmpPort,
              api: `http://${upstream.config.host}:${upstream.config.apiPort}`,
            },
          ]
        : [],
      settings: {
        mergedWriteMs: 40,
        queueSeconds: 30,
        gopCache: true,
        hls: { fragmentSeconds: 10, windowSeconds: 60, sessions: true },
        maxConnections: 200,
      },
      mutants: mutant ? [mutant] : [],
      timeouts: { handshake: 200, httpRequest: 200 },
    },
    () => {},
  );
  await node.start();
  nodes.push(node);
  return Object.assign(node, { process: undefined as never, output: '' }) as unknown as LocalNode;
}

type LocalNode = MediaNode & Pick<TestNode, 'config' | 'process' | 'output'> & TestNode;

function pulls(origin: LocalNode, stream = 'x'): number {
  return [...origin.clients.values()].filter(({ url, publish }) => !publish && url === `/live/${stream}`)
    .length;
}

async function published(node: LocalNode, stream = 'x'): Promise<RtmpPeer> {
  const publisher = await RtmpPeer.publisher(node, stream);
  publisher.headers();
  for (let i = 0; i < 25; i++) publisher.video(i * 40, i % 10 === 0);
  return publisher;
}

const settle = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Kinds of media messages in order: m(etadata), a(udio) and v(ideo) header, k(eyframe), i(nterframe), s(ound). */
function kinds(player: RtmpPeer): string {
  return player.messages
    .map(({ messageTypeId: type, payload }) => {
      if (type === 18) return Buffer.from(payload).includes('onMetaData') ? 'm' : '';
      if (type === 8) return payload[1] === 0 ? 'a' : 's';
      if (type !== 9) return '';
      return payload[1] === 0 ? 'v' : payload[0] === 0x17 ? 'k' : 'i';
    })
    .join('');
}

describe('frames', () => {
  const cases: [MutantId, (times: number[], bodies: Uint8Array[]) => void][] = [
    ['media-drops-frames', (times) => assert.equal(times.length, 117)],
    ['media-doubles-frames', (times) => assert.equal(times.length, 123)],
    ['media-swaps-frames', (times) => assert.deepEqual(times.slice(38, 42), [38, 40, 41, 39])],
    ['media-resets-timestamps', (times) => assert.deepEqual(times.slice(48, 52), [48, 0, 1, 2])],
    ['media-flips-byte', (_, bodies) => assert.equal(bodies[39]!.at(-1), 40)],
  ];
  for (const [mutant, check] of cases) {
    test(mutant, () => {
      const faults = frameFaults(new Set([mutant]))!;
      const out: Frame[] = [];
      for (let i = 0; i < 120; i++) faults(new Frame(9, i, videoBody(i, i % 10 === 0)), (f) => out.push(f));
      check(
        out.map(({ timestamp }) => timestamp),
        out.map(({ payload }) => payload),
      );
    });
  }
  test('none costs nothing', () => assert.equal(frameFaults(new Set()), undefined));
  test('media-drops-audio, rtmp-timestamp-24-bits and -31-bits together', () => {
    const faults = frameFaults(
      new Set<MutantId>(['media-drops-audio', 'rtmp-timestamp-24-bits', 'rtmp-timestamp-31-bits']),
    )!;
    const out: number[] = [];
    for (const type of [8, 9] as const) {
      faults(new Frame(type, 0x81234567, videoBody(0, true)), (frame) =>
        out.push(frame.type, frame.timestamp),
      );
    }
    assert.deepEqual(out, [9, 0x234567]);
  });
});

describe('joining', () => {
  const headersAndGop = `mavk${'i'.repeat(4)}`;
  const cases: [MutantId | undefined, RegExp][] = [
    [undefined, new RegExp(`^${headersAndGop}$`)],
    ['media-no-gop-cache', /^mav$/],
    ['media-gop-cache-grows', /^mavk.*k.*ki{4}$/],
    ['media-headers-after-frames', /^ki{4}mav$/],
    ['media-no-metadata', /^avki{4}$/],
  ];
  for (const [mutant, expected] of cases) {
    test(mutant ?? 'a healthy node', async () => {
      const node = await local(mutant);
      await published(node);
      await eventually('published', () => node.streams.get('/live/x')?.frames === 28);
      const player = await RtmpPeer.player(node, 'x');
      await settle(120);
      assert.match(kinds(player), expected);
    });
  }
});

describe('upstreams of an edge', () => {
  /** Players of both protocols, then what the origin counts while they play and after they left. */
  async function counted(mutant: MutantId | undefined): Promise<{ playing: number; left: number }> {
    const origin = await local(undefined);
    const edge = await local(mutant, origin);
    await published(origin);
    const players = await Promise.all([1, 2, 3].map(() => RtmpPeer.player(edge, 'x')));
    const flv = new FlvPeer(edge, '/live/x.flv');
    await eventually('media', () => flv.bytes.length > 0 && players.every((p) => p.videoTimes.length > 0));
    await settle(50);
    const playing = pulls(origin);
    flv.close();
    for (const player of players) player.close();
    await settle(150);
    return { playing, left: pulls(origin) };
  }
  const cases: [MutantId | undefined, { playing: number; left: number }][] = [
    [undefined, { playing: 1, left: 0 }],
    ['edge-pulls-per-player', { playing: 4, left: 0 }],
    ['edge-pulls-per-protocol', { playing: 2, left: 0 }],
    ['edge-pulls-twice-under-herd', { playing: 2, left: 0 }],
    ['edge-never-releases', { playing: 1, left: 1 }],
    ['edge-releases-late', { playing: 1, left: 1 }],
  ];
  for (const [mutant, expected] of cases) {
    test(mutant ?? 'a healthy edge', async () => assert.deepEqual(await counted(mutant), expected));
  }

  test('edge-pulls-eagerly', async () => {
    const origin = await local(undefined);
    await local('edge-pulls-eagerly', origin);
    await published(origin);
    await eventually('a pull without a player', () => pulls(origin) === 1);
  });

  test('edge-merges-streams-of-app', async () => {
    const origin = await local(undefined);
    const edge = await local('edge-merges-streams-of-app', origin);
    await published(origin, 'x');
    await published(origin, 'y');
    await RtmpPeer.player(edge, 'x');
    await RtmpPeer.player(edge, 'y');
    await settle(100);
    assert.deepEqual([pulls(origin, 'x'), pulls(origin, 'y')], [1, 0]);
  });

  test('edge-missing-stream-floods', async () => {
    const origin = await local(undefined);
    const edge = await local('edge-missing-stream-floods', origin);
    let asked = 0;
    const enter = origin.enter.bind(origin);
    origin.enter = (client) => {
      asked++;
      enter(client);
    };
    await RtmpPeer.player(edge, 'absent');
    await settle(500);
    assert.ok(asked >= 4, `asked ${asked} times in 0.5 s`);
  });

  for (const [mutant, expected] of [
    ['edge-releases-under-player', { pulls: 0, served: false }],
    ['edge-rejoin-doubles', { pulls: 2, served: true }],
  ] as const) {
    test(mutant, async () => {
      const origin = await local(undefined);
      const edge = await local(mutant, origin);
      await published(origin);
      const first = await RtmpPeer.player(edge, 'x');
      await first.until('media', () => first.videoTimes.length > 0);
      first.close();
      await eventually('left', () => edge.clients.size === 0);
      const second = await RtmpPeer.player(edge, 'x');
      await settle(600);
      assert.equal(pulls(origin), expected.pulls);
      assert.equal(second.closed, false);
    });
  }

  test('edge-drops-players-on-unpublish', async () => {
    const origin = await local(undefined);
    const edge = await local('edge-drops-players-on-unpublish', origin);
    const first = await published(origin);
    const player = await RtmpPeer.player(edge, 'x');
    await player.until('media', () => player.videoTimes.length > 0);
    first.close();
    await eventually('unpublished', () => origin.streams.get('/live/x')?.publisher === undefined);
    const before = player.videoTimes.length;
    await published(origin);
    await settle(200);
    assert.equal(player.videoTimes.length, before);
    assert.equal(player.closed, false);
  });
});

describe('publishers and peers', () => {
  test('origin-forgets-unpublish', async () => {
    const node = await local('origin-forgets-unpublish');
    (await published(node)).close();
    await eventually('left', () => node.clients.size === 0);
    const next = await RtmpPeer.open(node);
    next.askToPublish('x');
    await next.until('busy', () => next.closed);
  });

  test('origin-frees-on-unpublish-only', async () => {
    const node = await local('origin-frees-on-unpublish-only');
    (await published(node)).close();
    await eventually('left', () => node.clients.size === 0);
    const next = await RtmpPeer.open(node);
    next.askToPublish('x');
    await next.until('busy', () => next.closed);
  });

  test('origin-keeps-gop-of-publisher', async () => {
    const node = await local('origin-keeps-gop-of-publisher');
    (await published(node)).close();
    await eventually('left', () => node.clients.size === 0);
    const next = await RtmpPeer.player(node, 'x');
    await next.until('old frames', () => next.videoTimes.length > 0);
  });

  test('media-stall-timer-kept', async () => {
    const node = await local('media-stall-timer-kept');
    await published(node);
    const player = await RtmpPeer.player(node, 'x');
    const flv = new FlvPeer(node, '/live/x.flv');
    await player.until('the end', () => player.closed);
    await eventually('the end of both', () => node.clients.size === 1 && flv.bytes.length > 0);
  });

  test('media-serves-first-100-only', async () => {
    const node = await local('media-serves-first-100-only');
    const publisher = await published(node);
    const players = await Promise.all(Array.from({ length: 101 }, () => RtmpPeer.player(node, 'x')));
    await eventually('the cached GOP', () => players.every(({ videoTimes }) => videoTimes.length > 0));
    publisher.video(5000, true);
    await eventually('one more frame for a hundred', () => {
      const served = players.filter(({ videoTimes }) => videoTimes.includes(5000)).length;
      return served === 100;
    });
  });

  test('edge-forwards-no-headers', async () => {
    const origin = await local(undefined);
    const edge = await local('edge-forwards-no-headers', origin);
    await published(edge);
    await eventually('frames at the origin', () => (origin.streams.get('/live/x')?.frames ?? 0) >= 26);
    const player = await RtmpPeer.player(origin, 'x');
    await player.until('media', () => player.videoTimes.length > 0);
    assert.match(kinds(player), /^mk/);
  });

  test('edge-keeps-gop-after-release', async () => {
    const origin = await local(undefined);
    const edge = await local('edge-keeps-gop-after-release', origin);
    const publisher = await published(origin);
    const first = await RtmpPeer.player(edge, 'x');
    await first.until('media', () => first.videoTimes.length > 0);
    first.close();
    await eventually('released', () => pulls(origin) === 0);
    publisher.close();
    await eventually('unpublished', () => origin.streams.get('/live/x')?.publisher === undefined);
    const next = await RtmpPeer.player(edge, 'x');
    await next.until('old frames', () => next.videoTimes.length > 0);
  });

  test('rtmp-double-publish-accepted and -kicks-first', async () => {
    const accepting = await local('rtmp-double-publish-accepted');
    const one = await published(accepting);
    await RtmpPeer.publisher(accepting, 'x');
    assert.equal(one.closed, false);
    const kicking = await local('rtmp-double-publish-kicks-first');
    const first = await published(kicking);
    await RtmpPeer.publisher(kicking, 'x');
    await first.until('thrown out', () => first.closed);
  });

  test('rtmp-play-status-missing, rtmp-wrong-transaction, rtmp-unknown-command-closes', async () => {
    const mute = await RtmpPeer.open(await local('rtmp-play-status-missing'));
    mute.command('play', 0, 'x');
    await mute.status('NetStream.Play.Reset');
    await settle(50);
    await assert.rejects(
      Promise.race([mute.status('NetStream.Play.Start'), settle(50).then(() => Promise.reject())]),
    );
    const wrong = await RtmpPeer.open(await local('rtmp-wrong-transaction'));
    wrong.command('createStream', 7);
    await wrong.until('an answer to nobody', () =>
      wrong.commands.some(({ transactionId }) => transactionId === 8),
    );
    const strict = await RtmpPeer.open(await local('rtmp-unknown-command-closes'));
    strict.command('_checkbw', 9);
    await strict.until('the end', () => strict.closed);
  });

  test('rtmp-simple-handshake-wrong', async () => {
    const node = await local('rtmp-simple-handshake-wrong');
    const socket = connect(node.config.rtmpPort, node.config.host);
    const c1 = Buffer.concat([Buffer.alloc(8), Buffer.alloc(1528, 0x55)]);
    socket.write(Buffer.concat([Uint8Array.of(3), c1]));
    let answer = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      answer = Buffer.concat([answer, bytes]);
    });
    await eventually('S0 S1 S2', () => answer.length === 3073);
    assert.notDeepEqual(answer.subarray(1545, 3073), c1.subarray(8));
    socket.destroy();
  });

  test('rtmp-handshake-needs-one-piece', async () => {
    const node = await local('rtmp-handshake-needs-one-piece');
    await (await RtmpPeer.open(node)).close();
    const socket = connect(node.config.rtmpPort, node.config.host);
    let answered = false;
    socket.on('data', () => {
      answered = true;
    });
    socket.write(Uint8Array.of(3));
    await settle(30);
    socket.write(Buffer.alloc(1536));
    await settle(80);
    assert.equal(answered, false);
    socket.destroy();
  });

  for (const [mutant, kept] of [
    [undefined, false],
    ['rtmp-malformed-tolerated', true],
  ] as const) {
    test(`${mutant ?? 'healthy'}: malformed bytes`, async () => {
      const peer = await RtmpPeer.open(await local(mutant));
      peer.socket.write(Buffer.alloc(64, 0xff));
      await settle(150);
      assert.equal(peer.closed, !kept);
    });
  }

  test('rtmp-malformed-closes-others', async () => {
    const node = await local('rtmp-malformed-closes-others');
    const other = await RtmpPeer.player(node, 'x');
    const peer = await RtmpPeer.open(node);
    peer.socket.write(Buffer.alloc(64, 0xff));
    await other.until('the end', () => other.closed);
  });

  for (const [mutant, text, kept] of [
    [undefined, 'GET /live/x.flv HTTP/1.1\r\n', false],
    ['http-no-header-timeout', 'GET /live/x.flv HTTP/1.1\r\n', true],
    ['http-malformed-tolerated', 'nonsense\r\n\r\n', true],
  ] as const) {
    test(`${mutant ?? 'healthy'}: HTTP head`, async () => {
      const node = await local(mutant);
      const socket = connect(node.config.httpPort, node.config.host);
      socket.on('error', () => {});
      socket.resume();
      socket.write(text);
      await settle(400);
      assert.equal(socket.closed, !kept);
      socket.destroy();
    });
  }

  test('rtmp-no-handshake-timeout', async () => {
    const node = await local('rtmp-no-handshake-timeout');
    const socket = connect(node.config.rtmpPort, node.config.host);
    socket.write(Uint8Array.of(3));
    socket.resume();
    await settle(400);
    assert.equal(socket.closed, false);
    socket.destroy();
  });

  test('media-missing-stream-kept', async () => {
    const node = await local('media-missing-stream-kept');
    (await RtmpPeer.player(node, 'absent')).close();
    new FlvPeer(node, '/live/absent.flv').close();
    await settle(100);
    assert.ok(node.clients.size > 0);
  });

  test('flv-previous-tag-size-wrong and flv-header-flags-wrong', async () => {
    const sizes = await local('flv-previous-tag-size-wrong');
    await published(sizes);
    const flv = new FlvPeer(sizes, '/live/x.flv');
    await eventually('media', () => flv.bytes.length > 400);
    const first = flv.bytes.indexOf('FLV') + 13 + 2;
    const tag = flv.bytes.indexOf('\r\n', first) + 2;
    const length = flv.bytes.readUIntBE(tag + 1, 3);
    assert.equal(flv.bytes.readUInt32BE(tag + 11 + length), length);
    const flags = await local('flv-header-flags-wrong');
    await published(flags);
    const audio = new FlvPeer(flags, '/live/x.flv');
    await eventually('media', () => audio.bytes.includes('FLV\u0001\u0004'));
  });
});

describe('chunks', () => {
  /** Feeds bytes through the defect; returns what messages come out. */
  function read(mutant: MutantId, bytes: Uint8Array): Message[] {
    const messages: Message[] = [];
    const sink = new DefectiveChunkSink(
      new MessageAssembler((message) => messages.push(message)),
      new Set([mutant]),
    );
    const reader = new ChunkReader(sink);
    sink.reader = reader;
    try {
      reader.push(bytes);
    } catch {
      // A chunk header read out of a payload: what came before counts.
    }
    return messages.filter(({ messageTypeId }) => messageTypeId === 9);
  }
  const head = (csid: number, type: number, length: number): Buffer =>
    Buffer.from([csid, 0, 0, 0, 0, length >> 8, length & 0xff, type, csid === 2 ? 0 : 1, 0, 0, 0]);
  const chunkSize = (size: number): Buffer =>
    Buffer.concat([head(2, 1, 4), Buffer.from([0, 0, size >> 8, size & 0xff])]);
  const rest = Buffer.from([0xc6]);
  const part = (size: number): Buffer => Buffer.alloc(size, 7);

  test('rtmp-chunk-size-ignored: the first change is obeyed, the second is not', () => {
    const whole = Buffer.concat([head(6, 9, 300), part(300)]);
    const bytes = Buffer.concat([
      chunkSize(400),
      whole,
      chunkSize(200),
      head(6, 9, 300),
      part(200),
      rest,
      part(100),
    ]);
    assert.equal(read('rtmp-timestamp-24-bits', bytes).length, 2);
    const [, second] = read('rtmp-chunk-size-ignored', bytes);
    assert.notDeepEqual(second?.payload, new Uint8Array(part(300)));
  });

  test('rtmp-chunk-size-at-next-message', () => {
    const bytes = Buffer.concat([head(6, 9, 500), part(128), chunkSize(400), rest, part(372)]);
    assert.equal(read('rtmp-timestamp-24-bits', bytes).length, 1);
    assert.notDeepEqual(
      read('rtmp-chunk-size-at-next-message', bytes)[0]?.payload,
      new Uint8Array(part(500)),
    );
  });

  test('rtmp-interleaving-mixed', () => {
    const other = Buffer.alloc(128, 9);
    const bytes = Buffer.concat([
      ...[head(6, 9, 256), part(128), head(7, 9, 256), other],
      ...[rest, part(128), Buffer.from([0xc7]), other],
    ]);
    const healthy = read('rtmp-timestamp-24-bits', bytes);
    assert.deepEqual(healthy[0]?.payload, new Uint8Array(part(256)));
    const mixed = read('rtmp-interleaving-mixed', bytes);
    assert.notDeepEqual(mixed[0]?.payload, new Uint8Array(part(256)));
  });
});
