/** The dialogue of an RTMP client and its server, up to the first media: who says what, and in which order. */
import type { ClusterNode } from '../../lab/cluster.ts';
import { decodeUserControl, type UserControl, UserControlEvent } from '../../protocols/rtmp/messages.ts';
import { MERGED_WRITE_MS, PLAYING_WITHIN_MS } from '../bounds.ts';
import type { CheckContext, Judgement } from '../check.ts';
import type { History, StepData } from '../history.ts';
import { inconclusive, judged } from '../judging.ts';
import { attempt, openRtmp, stepsOf } from '../wire/attempt.ts';
import { MessageType } from '../wire/chunks.ts';
import { infoOf, type WireMessage, type WireRtmp } from '../wire/rtmp.ts';
import { wallClock } from '../wire/socket.ts';

const APP = 'live';

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
    const control = userControlOf(message);
    t.step('server-sent', {
      name,
      type: message.messageTypeId,
      messageStreamId: message.messageStreamId,
      event: control?.event ?? null,
      eventStreamId: control?.a ?? null,
      command: command?.name ?? null,
      transactionId: command?.transactionId ?? null,
      code: command === undefined ? null : (infoOf(command.args[0], 'code') ?? null),
      value: typeof command?.args[0] === 'number' ? command.args[0] : null,
    });
  }
}

function userControlOf({ messageTypeId, payload }: WireMessage): UserControl | undefined {
  return messageTypeId === MessageType.userControl ? decodeUserControl(payload) : undefined;
}

/** Plays a stream, asks for what no server knows, and waits for media to go on. */
export async function playByTheBook(t: CheckContext, node: ClusterNode, stream: string): Promise<void> {
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
      // What was written before it was read says nothing.
      const since = wallClock() + MERGED_WRITE_MS;
      await client.until('media after a command that the server does not know', PLAYING_WITHIN_MS, () =>
        client.messages.findLast(
          ({ messageTypeId, at }) => MEDIA_TYPES.includes(messageTypeId) && at > since,
        ),
      );
      t.step('survived-unknown', { name });
    } finally {
      recordDialogue(t, name, client);
    }
  });
}

/** Whether audio or video came, for a probe. */
export function firstMedia(client: WireRtmp): true | undefined {
  return client.messages.some(({ messageTypeId }) => MEDIA_TYPES.includes(messageTypeId)) || undefined;
}

/** Publishes as ffmpeg and OBS do, up to Publish.Start. */
export async function publishByTheBook(t: CheckContext, node: ClusterNode): Promise<void> {
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

/** That it did not survive is on record as an attempt that failed. */
export function judgeSurvival(history: History, name: string): Judgement {
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

export const PUBLISH_ORDER: readonly Milestone[] = [
  ...CONNECT_ORDER,
  {
    name: 'Publish.Start',
    is: statusOnStream('NetStream.Publish.Start'),
    after: ['_result of createStream'],
  },
];

export const PLAY_ORDER: readonly Milestone[] = [
  ...CONNECT_ORDER,
  {
    // Of the stream that is played: that of stream 0 may come with the answer to connect (7.1.7, 7.2.1.1).
    name: 'Stream Begin',
    is: (m, all) => m.event === UserControlEvent.StreamBegin && m.eventStreamId === streamCreated(all),
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

/** What the server sent to a client, against an order. */
export function judgeDialogue(history: History, name: string, order: readonly Milestone[]): Judgement[] {
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
