/** RTMP on the wire: handshakes, commands, chunks, timestamps, and what a server owes to those who get it wrong. */
import { type ClusterNode, SRS_PATIENCE } from '../../lab/cluster.ts';
import { PLAYING_WITHIN_MS } from '../bounds.ts';
import { type Check, type CheckContext, check, type Judgement } from '../check.ts';
import type { History, StepData } from '../history.ts';
import { failed, inconclusive, judged, videoOf } from '../judging.ts';
import { labels } from '../stage.ts';
import { attempt, judgeAttempts, oneOfEachRole, openRtmp, stepsOf } from '../wire/attempt.ts';
import {
  type ChunkedMessage,
  type ChunkForm,
  ChunkStream,
  chunksOf,
  controlChunk,
  MessageType,
  uint32,
} from '../wire/chunks.ts';
import { DIGEST_SCHEMES, RTMP_VERSION, simpleC1 } from '../wire/handshake.ts';
import { RTMP_ATTACKS, type RtmpAttack } from '../wire/malformed-rtmp.ts';
import { audioTag, videoConfigTag, videoTag } from '../wire/media.ts';
import { FRAME_MS, judgeRelay, Relay } from '../wire/relay.ts';
import {
  type HandshakeDelivery,
  type HandshakeForm,
  infoOf,
  statusCode,
  type WireRtmp,
} from '../wire/rtmp.ts';
import { wallClock } from '../wire/socket.ts';
import { judgeWitnesses, Witnesses } from '../wire/witnesses.ts';
import { judgeAbsent, seekAbsent } from './absent-stream.ts';
import { judgeMonotonic } from './monotonic.ts';
import { attackAll, judgeAttacks } from './rtmp-attacks.ts';
import {
  firstMedia,
  judgeDialogue,
  judgeSurvival,
  PLAY_ORDER,
  PUBLISH_ORDER,
  playByTheBook,
  publishByTheBook,
} from './rtmp-dialogue.ts';
import { namesInApi } from './rtmp-names.ts';
import { slowPublisher } from './rtmp-slow-publisher.ts';
import { judgeStalls, recordStall } from './stalls.ts';

const EDGE_CLUSTER = ['edge-cluster'] as const;
const RTMP_SPEC = 'RTMP 1.0 (Adobe, 21 December 2012)';
const APP = 'live';

// handshake-simple, handshake-digest

const DELIVERIES: readonly HandshakeDelivery[] = ['whole', 'trickled', 'coalesced'];

async function shakeHands(t: CheckContext, forms: readonly HandshakeForm[]): Promise<void> {
  const cases = oneOfEachRole(t).flatMap((node) =>
    forms.flatMap((form) => DELIVERIES.map((delivery) => ({ node, form, delivery }))),
  );
  t.step('handshakes', { count: cases.length });
  const shakes = cases.map(({ node, form, delivery }) => {
    const name = `${form} handshake, ${delivery}, with ${node.spec.name}`;
    return attempt(t, name, async () => {
      const client = await openRtmp(t, node);
      const answer = await client.handshake({ form, delivery, followedBy: client.connectBytes(APP) });
      t.step('handshake', { name, ...answer });
      const { name: reply } = await client.replyTo(1);
      t.step('connected', { name, reply });
      client.close();
    });
  });
  await Promise.all(shakes);
}

function judgeHandshakes(history: History, right: (answer: StepData) => string | undefined): Judgement[] {
  const wanted = Number(history.step('handshakes')?.count ?? 0);
  const answers = stepsOf(history, 'handshake');
  const connected = stepsOf(history, 'connected');
  const expected = `${wanted} handshakes answered by the book, and the connect behind each`;
  const mistakes: string[] = [];
  for (const answer of answers) {
    const wrong = answer.version !== 3 ? `S0 names version ${answer.version}` : right(answer);
    if (wrong !== undefined) mistakes.push(`${answer.name}: ${wrong}`);
  }
  for (const { name, reply } of connected) {
    if (reply !== '_result') mistakes.push(`${name}: connect is answered by ${reply}`);
  }
  const broken = judgeAttempts(history);
  if (mistakes.length > 0) return [...broken, failed(expected, mistakes.join('; '))];
  if (broken.length > 0) return broken;
  const actual = `${answers.length} handshakes, ${connected.length} answers to connect`;
  if (wanted === 0 || answers.length < wanted || connected.length < wanted) {
    return [inconclusive(expected, actual)];
  }
  return [judged(true, expected, actual)];
}

const handshakeSimple = check({
  id: 'rtmp/handshake-simple',
  title: 'The simple handshake is answered right, in whatever pieces it comes',
  level: 'must',
  spec: {
    source: RTMP_SPEC,
    where: '5.2.2-5.2.5',
    says:
      'S0 names version 3; S2 echoes time and random bytes of C1. Pieces of TCP mean nothing: C0 and C1 may come ' +
      'byte by byte, and C2 in one segment with the first command.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['play.rtmp'],
  mutants: ['rtmp-simple-handshake-wrong', 'rtmp-handshake-needs-one-piece', 'rtmp-handshake-drops-rest'],
  run: (t) => shakeHands(t, ['simple']),
  judge: (history) =>
    judgeHandshakes(history, ({ echoMistakes }) =>
      echoMistakes === 0 ? undefined : `${echoMistakes} bytes of S2 differ from C1`,
    ),
});

const handshakeDigest = check({
  id: 'rtmp/handshake-digest',
  title: 'The digest handshake is answered right in both schemes',
  level: 'must',
  spec: {
    source: 'The handshake of Flash Player 9.0.115 and later, as SRS and ffmpeg have it',
    where:
      'SRS protocol/srs_protocol_rtmp_handshake.cpp (c1s1, c2s2); captures/srs-7.0.18, captures/nginx-rtmp-1.2.2',
    says: 'To a C1 with a digest S1 has one too, keyed by the server; the end of S2 is keyed by the digest of C1.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['play.rtmp'],
  mutants: ['rtmp-digest-handshake-wrong', 'rtmp-handshake-needs-one-piece', 'rtmp-handshake-drops-rest'],
  run: (t) => shakeHands(t, DIGEST_SCHEMES),
  judge: (history) =>
    judgeHandshakes(history, ({ s1Digest, s2Digest }) => {
      if (s1Digest !== true) return 'no digest of S1 verifies';
      return s2Digest === true ? undefined : 'the digest of S2 does not answer that of C1';
    }),
});

// command-order

const commandOrder = check({
  id: 'rtmp/command-order',
  title: 'connect, createStream, publish and play are answered in order and by transaction',
  level: 'must',
  spec: {
    source: RTMP_SPEC,
    where:
      '7.1.7 Stream Begin, 7.2.1.1 connect, 7.2.1.3 createStream, 7.2.2.1 play, 7.2.2.6 publish; ' +
      'captures/srs-7.0.18/ffmpeg-play',
    says:
      'Window Acknowledgement Size, Set Peer Bandwidth, then _result with the transaction id of connect; createStream ' +
      'is answered under its own id; Stream Begin of that stream and Play.Reset precede Play.Start, and media follows ' +
      'it; onStatus has transaction id 0 and comes on the message stream. A command that is not known ends nothing.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp'],
  mutants: [
    'rtmp-play-status-missing',
    'rtmp-wrong-transaction',
    'rtmp-unknown-command-closes',
    'rtmp-unknown-command-ends-play',
  ],

  async run(t) {
    const nodes = oneOfEachRole(t);
    const [origin] = nodes;
    t.step('dialogues', {
      players: nodes.map((node) => node.spec.name).join(' '),
      origin: origin!.spec.name,
    });
    await publishByTheBook(t, origin!);
    const stream = t.stream();
    const publisher = await t.publish({ url: t.publishUrl(stream) });
    await publisher.sent(1, PLAYING_WITHIN_MS);
    await Promise.all(nodes.map((node) => playByTheBook(t, node, stream)));
  },

  judge(history) {
    const setting = history.step('dialogues');
    if (setting === undefined) {
      return [...judgeAttempts(history), inconclusive('clients that go by the book', 'none')];
    }
    const players = String(setting.players).split(' ');
    return [
      ...judgeAttempts(history),
      ...judgeDialogue(history, `publisher of ${setting.origin}`, PUBLISH_ORDER),
      ...players.flatMap((node) => judgeDialogue(history, `player of ${node}`, PLAY_ORDER)),
      ...players.map((node) => judgeSurvival(history, `player of ${node}`)),
    ];
  },
});

// double-publish

/** facts/srs.md 10.3: the second publisher gets EOF in less than a second. */
const REFUSED_WITHIN_MS = 1000;
/** facts/srs.md 1.7: an edge learns up to 0.5 s after Publish.Start that the origin is busy. */
const REFUSED_AT_EDGE_WITHIN_MS = REFUSED_WITHIN_MS + 500;

async function intrude(t: CheckContext, node: ClusterNode, stream: string, boundMs: number): Promise<void> {
  const { name } = node.spec;
  await attempt(t, `second publisher at ${name}`, async () => {
    const client = await openRtmp(t, node);
    const id = await client.startStream(APP);
    const asked = wallClock();
    client.publish(id, stream);
    // As an encoder does: SRS's edge tells it with its next frame that the origin is busy (facts/srs.md 1.7).
    let frames = 0;
    const timer = setInterval(() => {
      const { type, body } = frames === 0 ? videoConfigTag() : videoTag(frames === 1, 500);
      const time = FRAME_MS * frames++;
      client.message({ chunkStreamId: ChunkStream.video, type, messageStreamId: id, time, payload: body });
    }, FRAME_MS);
    await client.socket
      .until('a refusal', 2 * boundMs, () => refusal(client), { evenAfterEnd: true })
      .catch(() => undefined)
      .finally(() => clearInterval(timer));
    const refused = refusal(client);
    t.step('second-publisher', {
      node: name,
      boundMs,
      refused: refused?.how ?? null,
      afterMs: refused === undefined ? null : Math.round(refused.at - asked),
    });
    client.close();
  });
}

function refusal(client: WireRtmp): { how: string; at: number } | undefined {
  const status = client.commands().find((command) => infoOf(command.args[0], 'level') === 'error');
  if (status !== undefined) return { how: `status ${statusCode(status)}`, at: status.at };
  const { end } = client.socket;
  return end === undefined ? undefined : { how: end.how, at: end.at };
}

const doublePublish = check({
  id: 'rtmp/double-publish',
  title: 'A second publisher of a stream is refused, and the first and its players notice nothing',
  level: 'must',
  spec: {
    source: 'SRS',
    where: 'facts/srs.md 10.3, at an edge 1.7',
    says:
      'A stream has one publisher: another gets the end of its connection within a second (0.5 s more at an edge, ' +
      'which has to ask), or an error status. Frames of the first go on without a gap.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.api'],
  mutants: ['rtmp-double-publish-accepted', 'rtmp-double-publish-kicks-first'],

  async run(t) {
    const nodes = oneOfEachRole(t);
    const witnesses = await Witnesses.start(t, nodes);
    for (const node of nodes) {
      const bound = node.spec.role === 'edge' ? REFUSED_AT_EDGE_WITHIN_MS : REFUSED_WITHIN_MS;
      await intrude(t, node, witnesses.stream, bound);
    }
    await witnesses.goOn();
  },

  judge(history) {
    const seconds = stepsOf(history, 'second-publisher');
    const lost = history
      .of('client.closed')
      .find(({ client, reason }) => client === 'witnessed' && reason !== 'local');
    return [
      ...judgeAttempts(history),
      ...judgeWitnesses(history),
      lost === undefined
        ? judgeSeconds(history, seconds)
        : failed('the first publisher goes on', `it lost its connection (${lost.code})`),
      ...seconds.map(({ node, boundMs, refused, afterMs }) =>
        judged(
          refused !== null && refused !== 'local' && Number(afterMs) <= Number(boundMs),
          `second publisher at ${node} refused within ${boundMs} ms`,
          refused === null ? 'not refused' : `${refused} after ${afterMs} ms`,
        ),
      ),
    ];
  },
});

/** Somebody else came to every node on which the first one has players. */
function judgeSeconds(history: History, seconds: readonly StepData[]): Judgement {
  const expected = 'the first publisher goes on';
  const nodes = new Set(stepsOf(history, 'witness').map(({ node }) => node));
  const spared = [...nodes].filter((name) => !seconds.some(({ node }) => node === name));
  if (seconds.length > 0 && spared.length === 0)
    return judged(true, expected, `${seconds.length} others came`);
  return inconclusive(expected, `nobody else came to ${spared.join(', ') || 'any node'}`);
}

// chunk-size, chunk-size-one, message-interleaving, extended-timestamp, timestamp-wrap

/** Above and below every chunk size but the largest. */
const FRAME_SIZES = [2500, 400, 9000, 130] as const;

/** Sends frames with the chunk size that stands. */
function sendFrames(relay: Relay, count: number): void {
  for (let i = 0; i < count; i++) {
    const time = relay.tick();
    relay.send(audioTag(60 + i), time);
    relay.send(videoTag(false, FRAME_SIZES[i % FRAME_SIZES.length]!), time);
  }
}

/** Two parts of a video message with another chunk size each, the change between them, and audio on the way. */
function sendChangingInside(relay: Relay, before: number, after: number): void {
  relay.client.setChunkSize(before);
  const time = relay.tick();
  const video = chunksOf(relay.message(videoTag(false, 6000 + before), time), [before, before, after]);
  const audio = chunksOf(relay.message(audioTag(90), time), after);
  const change = controlChunk(MessageType.setChunkSize, uint32(after));
  relay.client.raw(Buffer.concat([...video.slice(0, 2), change, ...audio, ...video.slice(2)]));
  relay.client.chunkSize = after;
}

const RELAYED = { topologies: EDGE_CLUSTER, needs: ['publish.rtmp', 'play.rtmp', 'play.flv'] } as const;

/** @param isBeyond whether a timestamp is on the other side of what the check is about; frames of both are to be sent. */
function judgeDeed(history: History, isBeyond?: (timestamp: number) => boolean): Judgement[] {
  const judgements = judgeRelay(history);
  if (judgements.some(({ verdict }) => verdict !== 'pass')) return judgements;
  const sent = videoOf(history.sent('wire-publisher')).slice(0, Number(history.step('relay.sent')?.video));
  const beyond = isBeyond && sent.filter(({ timestamp }) => isBeyond(timestamp)).length;
  if (beyond === 0 || beyond === sent.length) {
    return [inconclusive('frames before and after the turn', `${beyond} of ${sent.length} after it`)];
  }
  return judgements;
}

const CHUNK_SIZES = [4096, 128, 65536, 300, 1000] as const;
const CHANGES_INSIDE = [
  [4096, 200],
  [200, 5000],
] as const;

const chunkSize = check({
  id: 'rtmp/chunk-size',
  title: 'A publisher may change its chunk size at any time, also within a message',
  level: 'must',
  spec: {
    source: RTMP_SPEC,
    where: '5.4.1 Set Chunk Size, 5.4 (control messages take effect when they are received)',
    says:
      'Every change of the chunk size holds for the chunks that follow it, also for the rest of a message that is ' +
      'under way on another chunk stream.',
  },
  ...RELAYED,
  mutants: ['rtmp-chunk-size-ignored', 'rtmp-chunk-size-at-next-message'],
  run: (t) =>
    Relay.run(t, 0, (relay) => {
      for (const size of CHUNK_SIZES) {
        relay.client.setChunkSize(size);
        sendFrames(relay, FRAME_SIZES.length);
      }
      for (const [before, after] of CHANGES_INSIDE) {
        sendChangingInside(relay, before, after);
        sendFrames(relay, 2);
      }
    }),
  judge: (history) => judgeDeed(history),
});

const chunkSizeOne = check({
  id: 'rtmp/chunk-size-one',
  title: 'A chunk size of 1 is taken',
  level: 'should',
  spec: {
    source: RTMP_SPEC,
    where: '5.4.1 Set Chunk Size',
    says: 'Valid sizes are 1 to 2147483647; a sender should not go below 128, but a receiver is given no leave to refuse.',
  },
  ...RELAYED,
  mutants: ['rtmp-chunk-size-ignored'],
  run: (t) =>
    Relay.run(t, 0, (relay) => {
      relay.client.setChunkSize(1);
      sendFrames(relay, 2);
      relay.client.setChunkSize(4096);
      sendFrames(relay, 2);
    }),
  judge: (history) => judgeDeed(history),
});

/** Chunks of all messages in turn. */
function interleave(messages: readonly ChunkedMessage[], chunkSizeOf: number): Buffer {
  const queues = messages.map((message) => chunksOf(message, chunkSizeOf));
  const rounds = Math.max(...queues.map((queue) => queue.length));
  return Buffer.concat(
    Array.from({ length: rounds }, (_, round) => queues.flatMap((queue) => queue[round] ?? [])).flat(),
  );
}

/** Size of audio and video body for each form of message header; forms 2 and 3 inherit the size of the one before. */
const FORMS: readonly { readonly form: ChunkForm; readonly audio: number; readonly video: number }[] = [
  { form: 0, audio: 300, video: 2000 },
  { form: 1, audio: 310, video: 2100 },
  { form: 2, audio: 310, video: 2100 },
  { form: 3, audio: 310, video: 2100 },
  { form: 3, audio: 310, video: 2100 },
  { form: 1, audio: 90, video: 400 },
];

/** Message headers of every form, with deltas of one frame, on two chunk streams that take turns. */
function sendEveryForm(relay: Relay): void {
  for (const { form, audio, video } of FORMS) {
    const timestamp = relay.tick();
    const time = form === 0 ? timestamp : FRAME_MS;
    const messages = [
      relay.message(videoTag(false, video), timestamp, { form, time, chunkStreamId: 13 }),
      relay.message(audioTag(audio), timestamp, { form, time, chunkStreamId: 12 }),
    ];
    relay.client.raw(interleave(messages, relay.client.chunkSize));
  }
}

const messageInterleaving = check({
  id: 'rtmp/message-interleaving',
  title: 'Chunks of several messages may take turns, under every form of header',
  level: 'must',
  spec: {
    source: RTMP_SPEC,
    where: '5.3 Chunking, 5.3.1.1 (chunk stream ids of 1, 2 and 3 bytes), 5.3.1.2 (types 0 to 3)',
    says:
      'Messages of different chunk streams may be sent a chunk at a time each; a receiver puts each together by its ' +
      'chunk stream id, of which there are three forms. What a message header leaves out is that of the message before ' +
      'on its chunk stream.',
  },
  ...RELAYED,
  mutants: ['rtmp-interleaving-mixed'],
  run: (t) =>
    Relay.run(t, 0, (relay) => {
      const chunkStreams = [
        [6, 4],
        [100, 200],
        [4000, 65599],
      ] as const;
      for (let i = 0; i < 12; i++) {
        const [video, audio] = chunkStreams[i % chunkStreams.length]!;
        const time = relay.tick();
        const messages = [
          relay.message(videoTag(false, 3000 + i), time, { chunkStreamId: video }),
          relay.message(audioTag(700 + i), time, { chunkStreamId: audio }),
        ];
        relay.client.raw(interleave(i % 2 === 0 ? messages : messages.reverse(), relay.client.chunkSize));
      }
      sendEveryForm(relay);
    }),
  judge: (history) => judgeDeed(history),
});

/** 4.66 hours, where the 3 bytes of a message header end (RTMP 1.0 section 5.3.1.3). */
const EXTENDED = 0xffffff;

/** Before the turn: shorter than the players' queues, longer than they need to join. */
const LEAD_MS = 10_000;

/** Frames around `turn`, one of them at it; those longer than a chunk have the field in their type 3 chunks, too. */
function sendAround(relay: Relay, turn: number): void {
  relay.time = turn - 5 * FRAME_MS;
  sendFrames(relay, 10);
}

const extendedTimestamp = check({
  id: 'rtmp/extended-timestamp',
  title: 'Timestamps above 0xFFFFFF come through',
  level: 'must',
  spec: {
    source: RTMP_SPEC,
    where: '5.3.1.3 Extended Timestamp; FLV v10.1 E.4.1 TimestampExtended',
    says:
      'From 0xFFFFFF on the timestamp is in a field of its own, behind the header of every chunk of the message, ' +
      'those of type 3 included; in FLV the upper 8 bits are in TimestampExtended.',
  },
  ...RELAYED,
  mutants: ['rtmp-timestamp-24-bits'],
  run: (t) => Relay.run(t, EXTENDED - LEAD_MS, (relay) => sendAround(relay, EXTENDED)),
  judge: (history) => judgeDeed(history, (timestamp) => timestamp >= EXTENDED),
});

const timestampWrap = check({
  id: 'rtmp/timestamp-wrap',
  title: 'Timestamps pass 2^32 and go on from 0',
  level: 'should',
  spec: {
    source: RTMP_SPEC,
    where: '4 Byte Order, Alignment, and Time Format',
    says: 'Timestamps have 32 bits, unsigned, and roll over every 49 days, 17 hours: 0 follows 4294967295.',
  },
  ...RELAYED,
  mutants: ['rtmp-timestamp-31-bits', 'rtmp-timestamp-24-bits'],
  run: (t) => Relay.run(t, 2 ** 32 - LEAD_MS, (relay) => sendAround(relay, 2 ** 32)),
  judge: (history) => judgeDeed(history, (timestamp) => timestamp < 2 ** 31),
});

// timestamps-monotonic

/** More than the 50 frames after which a clock that is reset now and then would show. */
const MONOTONIC_FRAMES = 60;

const timestampsMonotonic = check({
  id: 'rtmp/timestamps-monotonic',
  title: 'Timestamps of an RTMP player never go back',
  level: 'must',
  spec: {
    source: RTMP_SPEC,
    where: '4 (time format), 5.3.1.2 (deltas are unsigned); facts/srs.md 7.4',
    says: 'Timestamps of one kind of media do not decrease, modulo 2^32, from the joining on.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp'],
  mutants: ['media-resets-timestamps'],

  async run(t) {
    const stream = t.stream();
    await t.publish({ url: t.publishUrl(stream) });
    const players = oneOfEachRole(t).map(({ spec: { name } }) =>
      t.play(t.playUrl('rtmp', stream, name), name),
    );
    t.step('monotonic', { players: labels(players) });
    await Promise.all(players.map((player) => player.frames(MONOTONIC_FRAMES, 2 * PLAYING_WITHIN_MS)));
  },

  judge: (history) => judgeMonotonic(history, MONOTONIC_FRAMES),
});

// missing-stream

const missingStream = check({
  id: 'rtmp/missing-stream',
  title: 'RTMP players of a stream that nobody publishes cost next to nothing and harm nobody',
  level: 'must',
  spec: {
    source: 'SRS',
    where: 'facts/srs.md 1.1 (3 s between pulls), 1.2 (released), 1.6 (silence), 3.2',
    says:
      'The player waits in silence or is refused. An edge asks its origin at most once in 3 s. When the player leaves, ' +
      'both nodes forget it, and the upstream connection goes. Players of other streams notice nothing.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.upstream', 'observe.api'],
  mutants: ['edge-missing-stream-floods', 'media-missing-stream-kept'],

  run: (t) =>
    seekAbsent(t, async (node, stream) => {
      const client = await openRtmp(t, node);
      const id = await client.startStream(APP);
      client.play(id, stream);
      await client.until('Play.Start or a refusal', PLAYING_WITHIN_MS, () =>
        client.commands().find((command) => command.name === 'onStatus') ? true : undefined,
      );
      return {
        answer: () => client.commands().map(statusCode).filter(Boolean).at(-1) ?? 'silence',
        media: () => firstMedia(client) === true,
        leave: () => client.close(),
      };
    }),

  judge: (history) => judgeAbsent(history),
});

// malformed, nested-amf

const isNested = ({ name }: RtmpAttack): boolean => name === 'connect-nested-endlessly';

const ATTACKED = {
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.api', 'control.process'],
  judge: judgeAttacks,
} as const;

const malformed = check({
  id: 'rtmp/malformed',
  title: 'Malformed and broken-off input, at every stage, ends that connection only',
  level: 'must',
  spec: {
    source: RTMP_SPEC,
    where: '5.2.2, 5.3.1.2, 5.4.1, 6.2, 7.1.6; AMF0 2.1, 2.4, 2.5 (each case names its own)',
    says:
      'What is not RTMP cannot be understood again after it: the connection is closed. It is the affair of one client: ' +
      'the node lives, and no other player loses a frame.',
  },
  ...ATTACKED,
  mutants: ['rtmp-malformed-kills-node', 'rtmp-malformed-closes-others', 'rtmp-malformed-tolerated'],
  disrupts: 'sends what breaks servers',
  run: (t) =>
    attackAll(
      t,
      RTMP_ATTACKS.filter((one) => !isNested(one)),
    ),
});

const nestedAmf = check({
  id: 'rtmp/nested-amf',
  title: 'A command of objects within objects without end does not bring the node down',
  level: 'must',
  spec: {
    source: 'AMF0 (Adobe, 2007)',
    where: '2.5 Object Type',
    says:
      'Objects may hold objects, and each ends with 00 00 09: 100 000 that never end are malformed like any other ' +
      'input, and who reads them must not run out of stack.',
  },
  ...ATTACKED,
  mutants: ['rtmp-malformed-kills-node', 'rtmp-malformed-tolerated'],
  disrupts: 'sends what breaks servers',
  run: (t) => attackAll(t, RTMP_ATTACKS.filter(isNested)),
});

// stalled-handshake

const STALLS: readonly { readonly name: string; stall(client: WireRtmp): Promise<void> }[] = [
  { name: 'before C0', stall: async () => {} },
  {
    name: 'in C1',
    stall: async (client) =>
      client.raw(Buffer.concat([Buffer.of(RTMP_VERSION), simpleC1().subarray(0, 700)])),
  },
  {
    name: 'before C2',
    stall: async (client) => {
      client.sendC0C1();
      await client.serverAnswer();
    },
  },
  {
    name: 'before connect',
    stall: async (client) => {
      await client.handshake();
    },
  },
];

const stalledHandshake = check({
  id: 'rtmp/stalled-handshake',
  title: 'A client that stops in the handshake is not kept for ever',
  level: 'must',
  spec: {
    source: 'SRS',
    where: 'facts/srs.md 10.2 (30 s); builtin nodes of the gate wait less, which the cluster tells',
    says:
      'Whoever does not go on with handshake and connect loses the connection; who asks slowly may take a while. The ' +
      'patience ends with play: who watches is not closed by it.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.api'],
  mutants: ['rtmp-no-handshake-timeout', 'media-stall-timer-kept'],
  deadlineMs: SRS_PATIENCE.rtmpHandshake + 10_000,

  async run(t) {
    const { rtmpHandshake: boundMs } = t.cluster.patience ?? SRS_PATIENCE;
    const nodes = oneOfEachRole(t);
    const witnesses = await Witnesses.start(t, nodes);
    const cases = nodes.flatMap((node) => STALLS.map((one) => ({ node, ...one })));
    t.step('stalls', { count: cases.length, boundMs });
    const stalls = cases.map(({ node, name, stall }) =>
      attempt(t, `${name} at ${node.spec.name}`, async () => {
        const client = await openRtmp(t, node);
        const opened = wallClock();
        await stall(client);
        await recordStall(t, `${name} at ${node.spec.name}`, client.socket, opened, boundMs);
      }),
    );
    await Promise.all(stalls);
    await witnesses.goOn();
  },

  judge: (history) => [...judgeStalls(history), ...judgeWitnesses(history)],
});

export const RTMP_CHECKS: readonly Check[] = [
  handshakeSimple,
  handshakeDigest,
  commandOrder,
  doublePublish,
  chunkSize,
  chunkSizeOne,
  messageInterleaving,
  extendedTimestamp,
  timestampWrap,
  timestampsMonotonic,
  missingStream,
  slowPublisher,
  namesInApi,
  malformed,
  nestedAmf,
  stalledHandshake,
];
