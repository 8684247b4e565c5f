/**
 * A publisher whose every chunk is written by hand, and players who must get what its messages say: on the origin,
 * and behind an edge, in RTMP and in HTTP-FLV.
 */
import { PLAYING_WITHIN_MS, TWO_HOPS_MS } from '../bounds.ts';
import type { CheckContext, Judgement } from '../check.ts';
import type { History, MediaItem } from '../history.ts';
import { failed, inconclusive, isFrame, judged, nameOf } from '../judging.ts';
import { attempt, judgeAttempts, openRtmp, stepsOf } from './attempt.ts';
import { type ChunkedMessage, ChunkStream, chunksOf } from './chunks.ts';
import { audioConfigTag, itemOf, metadataTag, videoConfigTag, videoTag, type WireTag } from './media.ts';
import type { WireRtmp } from './rtmp.ts';
import { wallClock } from './socket.ts';

const APP = 'live';
const PUBLISHER = 'wire-publisher';
const CHUNK_STREAM_OF = { 8: ChunkStream.audio, 9: ChunkStream.video, 18: ChunkStream.data } as const;
/** The frame at which every player has joined before the real thing begins. */
const JOIN_FRAME_SIZE = 600;
const ARRIVED_WITHIN_MS = TWO_HOPS_MS + 2000;

const Step = { player: 'relay.player', begun: 'relay.begun', sent: 'relay.sent' } as const;

export class Relay {
  readonly client: WireRtmp;
  readonly #t: CheckContext;
  readonly #messageStreamId: number;
  readonly #stream: string;

  private constructor(t: CheckContext, client: WireRtmp, messageStreamId: number, stream: string) {
    this.#t = t;
    this.client = client;
    this.#messageStreamId = messageStreamId;
    this.#stream = stream;
  }

  /**
   * Publishes at the origin with the first keyframe at `timestamp`, lets players join, has `send` write the rest and
   * resolves when every player has the last frame, or is given up. A server that breaks off is on record.
   */
  static async run(t: CheckContext, timestamp: number, send: (relay: Relay) => Promise<void>): Promise<void> {
    await attempt(t, 'publishing', async () => {
      const stream = t.stream('relayed');
      const origin = t.nodes('origin')[0]!;
      const client = await openRtmp(t, origin);
      const relay = new Relay(t, client, await client.startPublish(APP, stream), stream);
      relay.#join(timestamp);
      const players = [
        t.play(t.playUrl('rtmp', stream, origin.spec.name), 'rtmp-origin'),
        t.play(t.playUrl('rtmp', stream), 'rtmp'),
        t.play(t.playUrl('flv', stream), 'flv'),
      ];
      for (const { label } of players) t.step(Step.player, { client: label });
      await t.until('every player has the first keyframe', PLAYING_WITHIN_MS, (history) =>
        players.every(({ label }) => framesOf(history, label).length > 0),
      );
      t.step(Step.begun);
      await send(relay);
      await client.socket.drained(ARRIVED_WITHIN_MS);
      t.step(Step.sent);
      const last = t.history.sent(PUBLISHER).findLast(isFrame)!;
      await t.until('every player has the last frame', ARRIVED_WITHIN_MS, (seen) =>
        players.every(({ label }) =>
          seen.got(label).some((item) => item.kind === last.kind && item.sum === last.sum),
        ),
      );
    });
  }

  /** The message of a tag, for chunks; it is on record as sent from here on. */
  message(tag: WireTag, timestamp: number, fields: Partial<ChunkedMessage> = {}): ChunkedMessage {
    this.#t.history.append({
      t: wallClock(),
      type: 'publisher.sent',
      client: PUBLISHER,
      stream: this.#stream,
      ...itemOf(tag, timestamp),
    });
    return {
      chunkStreamId: CHUNK_STREAM_OF[tag.type],
      type: tag.type,
      messageStreamId: this.#messageStreamId,
      time: timestamp,
      payload: tag.body,
      ...fields,
    };
  }

  /** A tag in one go, with a full header and chunks of the client's size. */
  send(tag: WireTag, timestamp: number): void {
    this.client.raw(Buffer.concat(chunksOf(this.message(tag, timestamp), this.client.chunkSize)));
  }

  #join(timestamp: number): void {
    for (const tag of [metadataTag(), audioConfigTag(), videoConfigTag(), videoTag(true, JOIN_FRAME_SIZE)]) {
      this.send(tag, timestamp);
    }
  }
}

function framesOf(history: History, client: string): MediaItem[] {
  return history.got(client).filter(isFrame);
}

/** Every player got every frame that was sent, once, whole, in order and with its timestamp, and nothing else. */
export function judgeRelay(history: History, least: number): Judgement[] {
  const sent = history.sent(PUBLISHER).filter(isFrame);
  const players = stepsOf(history, Step.player).map(({ client }) => String(client));
  const broken = judgeAttempts(history);
  if (history.step(Step.begun) === undefined) {
    return [
      ...broken,
      inconclusive('players of the stream before the deed', 'they did not all come to play'),
    ];
  }
  if (history.step(Step.sent) === undefined || sent.length < least) {
    return [...broken, inconclusive(`${least} frames sent`, `${sent.length} frames sent`)];
  }
  return [...broken, ...players.map((player) => judgePlayer(player, sent, framesOf(history, player)))];
}

function judgePlayer(player: string, sent: readonly MediaItem[], got: readonly MediaItem[]): Judgement {
  const expected = 'every frame once, whole, in order, with its timestamp';
  for (const kind of ['video', 'audio'] as const) {
    const source = sent.filter((item) => item.kind === kind);
    const copy = got.filter((item) => item.kind === kind);
    for (let at = 0; at < Math.max(source.length, copy.length); at++) {
      const [wanted, actual] = [source[at], copy[at]];
      if (wanted !== undefined && actual !== undefined && same(wanted, actual)) continue;
      return failed(
        expected,
        `${player}, ${kind} ${at + 1} of ${source.length}: ${actual ? nameOf(actual) : 'nothing'} instead of ` +
          `${wanted ? nameOf(wanted) : 'nothing'}${sameBut(wanted, actual) ? ', other bytes' : ''}`,
      );
    }
  }
  return judged(true, expected, `${player}: ${got.length} frames, all as sent`);
}

function same(a: MediaItem, b: MediaItem): boolean {
  return a.timestamp === b.timestamp && a.size === b.size && a.sum === b.sum;
}

function sameBut(a: MediaItem | undefined, b: MediaItem | undefined): boolean {
  return a !== undefined && b !== undefined && a.timestamp === b.timestamp && a.size === b.size;
}
