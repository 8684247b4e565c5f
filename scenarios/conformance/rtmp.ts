/** RTMP on the wire: handshakes, commands, chunks, timestamps, and what a server owes to those who get it wrong. */
import { type ClusterNode, SRS_PATIENCE } from '../../lab/cluster.ts';
import type { AmfValue } from '../../protocols/amf0/amf0.ts';
import { decodeUserControl, UserControlEvent } from '../../protocols/rtmp/messages.ts';
import { PLAYING_WITHIN_MS, TWO_HOPS_MS } from '../bounds.ts';
import { type Check, type CheckContext, check, type Judgement } from '../check.ts';
import type { History, StepData } from '../history.ts';
import { failed, inconclusive, judged } from '../judging.ts';
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
import { type HandshakeDelivery, type HandshakeForm, statusCode, type WireRtmp } from '../wire/rtmp.ts';
import { wallClock } from '../wire/socket.ts';
import { judgeWitnesses, Witnesses } from '../wire/witnesses.ts';
import { judgeAbsent, seekAbsent } from './absent-stream.ts';
import { judgeMonotonic } from './monotonic.ts';
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
  if (wanted === 0 || connected.length < wanted) return [inconclusive(expected, actual)];
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

/** Transaction ids that no habit explains; connect has 1 by the specification. */
const Transaction = { createStream: 17, unknown: 29, play: 23, publish: 31 } as const;
const UNKNOWN_COMMAND = 'liveproofUnknown';
const MEDIA_TYPES: readonly number[] = [MessageType.audio, MessageType.video];

/** Told up to the first media message: what the order is about. */
function recordDialogue(t: CheckContext, name: string, client: WireRtmp): void {
  const commands = new Map(client.commands().map((command) => [command.index, command]));
  const media = client.messages.findIndex(({ messageTypeId }) => MEDIA_TYPES.includes(messageTypeId));
  for (const [index, message] of client.messages.entries()) {
    if (media >= 0 && index > media) break;
    const command = commands.get(index);
    t.step('server-sent', {
      name,
      type: message.messageTypeId,
      messageStreamId: message.messageStreamId,
      event: userControlOf(message),
      command: command?.name ?? null,
      transactionId: command?.transactionId ?? null,
      code: command === undefined ? null : (codeOf(command.args[0]) ?? null),
      value: typeof command?.args[0] === 'number' ? command.args[0] : null,
    });
  }
}

function userControlOf(message: { messageTypeId: number; payload: Uint8Array }): number | null {
  return message.messageTypeId === MessageType.userControl ? decodeUserControl(message.payload).event : null;
}

function codeOf(info: AmfValue): string | undefined {
  if (typeof info !== 'object' || info === null || !('code' in info)) return undefined;
  return typeof info.code === 'string' ? info.code : undefined;
}

async function playByTheBook(t: CheckContext, node: ClusterNode, stream: string): Promise<void> {
  const name = `player of ${node.spec.name}`;
  await attempt(t, name, async () => {
    const client = await openRtmp(t, node);
    try {
      await client.handshake();
      await client.connect(APP);
      client.command(UNKNOWN_COMMAND, Transaction.unknown, null, ['before createStream']);
      const id = await client.createStream(Transaction.createStream);
      client.play(id, stream, Transaction.play);
      await client.until('Play.Start or media', PLAYING_WITHIN_MS, () => firstMedia(client));
      client.command(UNKNOWN_COMMAND, Transaction.unknown, null, ['while playing'], id);
      const unknownAt = client.messages.length;
      await client.until('media after a command that the server does not know', PLAYING_WITHIN_MS, () =>
        client.messages.slice(unknownAt).find(({ messageTypeId }) => MEDIA_TYPES.includes(messageTypeId)),
      );
      t.step('survived-unknown', { name });
    } finally {
      recordDialogue(t, name, client);
    }
  });
}

function firstMedia(client: WireRtmp): true | undefined {
  return client.messages.some(({ messageTypeId }) => MEDIA_TYPES.includes(messageTypeId)) || undefined;
}

async function publishByTheBook(t: CheckContext, node: ClusterNode): Promise<void> {
  const name = `publisher of ${node.spec.name}`;
  await attempt(t, name, async () => {
    const client = await openRtmp(t, node);
    const stream = t.stream('published');
    try {
      await client.handshake();
      await client.connect(APP);
      client.command('releaseStream', 2, null, [stream]);
      client.command('FCPublish', 3, null, [stream]);
      client.command(UNKNOWN_COMMAND, Transaction.unknown, null, ['before createStream']);
      client.publish(await client.createStream(Transaction.createStream), stream, Transaction.publish);
      await client.status('NetStream.Publish.Start');
    } finally {
      recordDialogue(t, name, client);
    }
  });
}

const commandOrder = check({
  id: 'rtmp/command-order',
  title: 'connect, createStream, publish and play are answered in order and by transaction',
  level: 'must',
  spec: {
    source: RTMP_SPEC,
    where:
      '7.2.1.1 connect, 7.2.1.3 createStream, 7.2.2.1 play, 7.2.2.6 publish; captures/srs-7.0.18/ffmpeg-play',
    says:
      'Window Acknowledgement Size, Set Peer Bandwidth, then _result with the transaction id of connect; createStream ' +
      'is answered under its own id; Stream Begin and Play.Reset precede Play.Start, and media follows it; onStatus ' +
      'has transaction id 0 and comes on the message stream. A command that is not known ends nothing.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp'],
  mutants: ['rtmp-play-status-missing', 'rtmp-wrong-transaction', 'rtmp-unknown-command-closes'],

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

/** That it did not survive is on record as an attempt that failed. */
function judgeSurvival(history: History, name: string): Judgement {
  const survived = stepsOf(history, 'survived-unknown').some((data) => data.name === name);
  const expected = `${name}: media goes on after commands that the server does not know`;
  return survived ? judged(true, expected, 'it did') : inconclusive(expected, 'it was not seen');
}

interface Milestone {
  readonly name: string;
  readonly is: (message: StepData, all: readonly StepData[]) => boolean;
  /** Other milestones that must have come before, when they come at all. */
  readonly after: readonly string[];
  readonly optional?: true;
}

const CONNECT_ORDER: readonly Milestone[] = [
  { name: 'Window Acknowledgement Size', is: ofType(MessageType.windowAcknowledgementSize), after: [] },
  {
    name: 'Set Peer Bandwidth',
    is: ofType(MessageType.setPeerBandwidth),
    after: ['Window Acknowledgement Size'],
  },
  {
    name: '_result of connect',
    is: (m) => m.command === '_result' && m.transactionId === 1 && m.code === 'NetConnection.Connect.Success',
    after: ['Window Acknowledgement Size', 'Set Peer Bandwidth'],
  },
  {
    name: '_result of createStream',
    is: (m) => isStreamCreated(m) && Number(m.value) > 0,
    after: ['_result of connect'],
  },
];

const PUBLISH_ORDER: readonly Milestone[] = [
  ...CONNECT_ORDER,
  {
    name: 'Publish.Start',
    is: statusOnStream('NetStream.Publish.Start'),
    after: ['_result of createStream'],
  },
];

const PLAY_ORDER: readonly Milestone[] = [
  ...CONNECT_ORDER,
  {
    name: 'Stream Begin',
    is: (m) => m.event === UserControlEvent.StreamBegin,
    after: ['_result of createStream'],
  },
  {
    name: 'Play.Reset',
    is: statusOnStream('NetStream.Play.Reset'),
    after: ['_result of createStream'],
    optional: true,
  },
  {
    name: 'Play.Start',
    is: statusOnStream('NetStream.Play.Start'),
    after: ['_result of createStream', 'Stream Begin', 'Play.Reset'],
  },
  {
    name: 'media',
    is: (m, all) => MEDIA_TYPES.includes(Number(m.type)) && m.messageStreamId === streamCreated(all),
    after: ['Play.Start'],
  },
];

function ofType(type: number): Milestone['is'] {
  return (message) => message.type === type;
}

function isStreamCreated(message: StepData): boolean {
  return message.command === '_result' && message.transactionId === Transaction.createStream;
}

function streamCreated(all: readonly StepData[]): StepData[string] | undefined {
  return all.find(isStreamCreated)?.value;
}

function statusOnStream(code: string): Milestone['is'] {
  return (message, all) =>
    message.command === 'onStatus' &&
    message.code === code &&
    message.transactionId === 0 &&
    message.messageStreamId === streamCreated(all);
}

function judgeDialogue(history: History, name: string, order: readonly Milestone[]): Judgement[] {
  const all = stepsOf(history, 'server-sent').filter((data) => data.name === name);
  if (all.length === 0) return [inconclusive(`${name}: messages of the server`, 'none came')];
  const places = new Map(
    order.map((milestone) => [milestone.name, all.findIndex((m) => milestone.is(m, all))]),
  );
  const mistakes: string[] = [];
  for (const { name: what, after, optional } of order) {
    const place = places.get(what)!;
    if (place < 0 && optional !== true) mistakes.push(`no ${what} as it must be`);
    const late = after.filter((before) => places.get(before)! > place);
    if (place >= 0 && late.length > 0) mistakes.push(`${late.join(', ')} after ${what}`);
  }
  const expected = `${name}: ${order.map((milestone) => milestone.name).join(', ')}, in order`;
  return [judged(mistakes.length === 0, expected, mistakes.join('; ') || 'so it was')];
}

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
  const status = client.commands().find((command) => levelOf(command.args[0]) === 'error');
  if (status !== undefined) return { how: `status ${statusCode(status)}`, at: status.at };
  const { end } = client.socket;
  return end === undefined ? undefined : { how: end.how, at: end.at };
}

function levelOf(info: AmfValue): AmfValue {
  return typeof info === 'object' && info !== null && 'level' in info ? info.level : undefined;
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
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv'],
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
        ? judged(seconds.length > 0, 'the first publisher goes on', `${seconds.length} others came`)
        : failed('the first publisher goes on', `it lost its connection (${lost.code})`),
      ...seconds.map(({ node, boundMs, refused, afterMs }) =>
        judged(
          refused !== null && Number(afterMs) <= Number(boundMs),
          `second publisher at ${node} refused within ${boundMs} ms`,
          refused === null ? 'not refused' : `${refused} after ${afterMs} ms`,
        ),
      ),
    ];
  },
});

// chunk-size, chunk-size-one, message-interleaving, chunk-forms, extended-timestamp, timestamp-wrap

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
  judge: judgeRelay,
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
  judge: judgeRelay,
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
  judge: judgeRelay,
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
  judge: judgeRelay,
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
  judge: judgeRelay,
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
    t.step('monotonic', { players: players.map(({ label }) => label).join(' ') });
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

/**
 * Bytes that are wrong are wrong when they come, and a connection that has ended has ended; no document gives a time.
 * SRS closes within 30 ms; the rest is for a machine with other things to do.
 */
const CLOSED_WITHIN_MS = 2000;

async function attack(t: CheckContext, node: ClusterNode, attack: RtmpAttack, stream: string): Promise<void> {
  const { name, ending } = attack;
  const where = `${name} at ${node.spec.name}`;
  await attempt(t, where, async () => {
    const client = await openRtmp(t, node);
    await attack.send(client, APP, stream);
    const sent = wallClock();
    if (ending === 'rst') await client.socket.drained(CLOSED_WITHIN_MS);
    if (ending === 'fin') client.socket.finish();
    if (ending === 'rst') client.socket.reset();
    const end = await client.socket.ended(CLOSED_WITHIN_MS);
    t.step('attack', {
      name: where,
      ending,
      against: attack.against,
      ended: end?.how ?? null,
      afterMs: end === undefined ? null : Math.round(end.at - sent),
    });
    client.close();
  });
}

/** All at once, and players on the same nodes who must not notice; then nothing may be left of the attackers. */
async function attackAll(t: CheckContext, attacks: readonly RtmpAttack[]): Promise<void> {
  const nodes = oneOfEachRole(t);
  const witnesses = await Witnesses.start(t, nodes);
  const attacked = t.stream('attacked');
  const cases = nodes.flatMap((node) =>
    attacks
      .filter(({ publishes }) => publishes !== true || node.spec.role === 'origin')
      .map((one) => ({ node, one, stream: one.publishes ? t.stream(one.name) : attacked })),
  );
  t.step('attacks', { count: cases.length });
  await Promise.all(cases.map(({ node, one, stream }) => attack(t, node, one, stream)));
  await witnesses.goOn();
  for (const { node, stream } of cases.filter(
    ({ stream }, i) => cases.findIndex((c) => c.stream === stream) === i,
  )) {
    await t.untilApi(node.spec.name, stream, TWO_HOPS_MS + CLOSED_WITHIN_MS, ({ clients }) => clients === 0);
  }
  t.step('forgotten');
}

function judgeAttacks(history: History): Judgement[] {
  const wanted = Number(history.step('attacks')?.count ?? 0);
  const attacks = stepsOf(history, 'attack');
  const tolerated = attacks.filter(({ ended }) => ended === null);
  const broken = judgeAttempts(history);
  const expected = `each of ${wanted} connections closed within ${CLOSED_WITHIN_MS} ms of the bytes`;
  const rest = judgeWitnesses(history);
  if (tolerated.length > 0) {
    return [...broken, ...rest, failed(expected, `kept: ${tolerated.map(({ name }) => name).join(', ')}`)];
  }
  if (wanted === 0 || attacks.length < wanted) {
    return [...broken, ...rest, inconclusive(expected, `${attacks.length} were seen to their end`)];
  }
  const slowest = Math.max(...attacks.map(({ afterMs }) => Number(afterMs)));
  return [
    ...broken,
    ...rest,
    judged(true, expected, `the slowest after ${slowest} ms`),
    judgeTraces(history),
  ];
}

function judgeTraces(history: History): Judgement {
  const expected = 'no attacker is left in the API';
  const left = history.of('api.stream').filter(({ clients }) => clients > 0);
  if (left.length > 0)
    return failed(expected, left.map(({ node, clients }) => `${node}: ${clients}`).join(', '));
  if (history.step('forgotten') === undefined) return inconclusive(expected, 'it was not read to the end');
  return judged(true, expected, 'none');
}

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
    says: 'Whoever does not go on with handshake and connect loses the connection; who asks slowly may take a while.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['play.rtmp'],
  mutants: ['rtmp-no-handshake-timeout'],
  deadlineMs: SRS_PATIENCE.rtmpHandshake + 10_000,

  async run(t) {
    const { rtmpHandshake: boundMs } = t.cluster.patience ?? SRS_PATIENCE;
    const cases = oneOfEachRole(t).flatMap((node) => STALLS.map((one) => ({ node, ...one })));
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
  },

  judge: judgeStalls,
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
  malformed,
  nestedAmf,
  stalledHandshake,
];
