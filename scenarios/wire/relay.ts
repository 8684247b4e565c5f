/**
 * A publisher whose every chunk is written by hand, and players who must get what its messages say: on the origin,
 * and behind an edge, in RTMP and in HTTP-FLV.
 */
import { PLAYING_WITHIN_MS, TWO_HOPS_MS } from '../bounds.ts';
import type { CheckContext, Judgement } from '../check.ts';
import type { History, MediaItem, StepData } from '../history.ts';
import { inconclusive, isFrame, judged, nameOf } from '../judging.ts';
import { attempt, judgeAttempts, openRtmp, stepsOf } from './attempt.ts';
import { type ChunkedMessage, ChunkStream, chunksOf } from './chunks.ts';
import {
  audioConfigTag,
  audioTag,
  itemOf,
  metadataTag,
  videoConfigTag,
  videoTag,
  type WireTag,
} from './media.ts';
import type { WireRtmp } from './rtmp.ts';
import { WireError, WireErrorCode, wallClock } from './socket.ts';

const APP = 'live';
const PUBLISHER = 'wire-publisher';
const CHUNK_STREAM_OF = { 8: ChunkStream.audio, 9: ChunkStream.video, 18: ChunkStream.data } as const;
/** 25 frames/s. */
export const FRAME_MS = 40;
const KEYFRAME_SIZE = 600;
const FILLER_SIZE = 200;
const ARRIVED_WITHIN_MS = TWO_HOPS_MS + 2000;

const Step = { player: 'relay.player', begun: 'relay.begun', sent: 'relay.sent' } as const;

export class Relay {
  readonly client: WireRtmp;
  /** Timestamp of the next frame. */
  time: number;
  readonly #t: CheckContext;
  readonly #messageStreamId: number;
  readonly #stream: string;

  private constructor(
    t: CheckContext,
    client: WireRtmp,
    messageStreamId: number,
    stream: string,
    time: number,
  ) {
    this.#t = t;
    this.client = client;
    this.#messageStreamId = messageStreamId;
    this.#stream = stream;
    this.time = time;
  }

  /**
   * Publishes at the origin with the first keyframe at `timestamp`, lets players join, has `deed` write what the
   * check is about, and resolves when every player has the last of it. Small frames go out at their pace before and
   * after: a server that merges writes waits for more (facts/srs.md 7.3). A server that breaks off is on record.
   * @param start resolves with the message stream once the publisher is let in. Default as quickly as it can be.
   */
  static async run(
    t: CheckContext,
    timestamp: number,
    deed: (relay: Relay) => void,
    start = (client: WireRtmp, stream: string) => client.startPublish(APP, stream),
  ): Promise<void> {
    await attempt(t, 'publishing', async () => {
      const stream = t.stream('relayed');
      const origin = t.nodes('origin')[0]!;
      const client = await openRtmp(t, origin);
      const relay = new Relay(t, client, await start(client, stream), stream, timestamp);
      relay.#open();
      const players = [
        t.play(t.playUrl('rtmp', stream, origin.spec.name), 'rtmp-origin'),
        t.play(t.playUrl('rtmp', stream), 'rtmp'),
        t.play(t.playUrl('flv', stream), 'flv'),
      ];
      for (const { label } of players) t.step(Step.player, { client: label });
      await relay.#fillUntil('every player has the first keyframe', PLAYING_WITHIN_MS, (history) =>
        players.every(({ label }) => framesOf(history, label).length > 0),
      );
      t.step(Step.begun);
      deed(relay);
      const sent = t.history.sent(PUBLISHER);
      const [video, audio] = [ofKind(sent, 'video').length, ofKind(sent, 'audio').length];
      t.step(Step.sent, { video, audio });
      await relay.#fillUntil('every player has every frame', ARRIVED_WITHIN_MS, (history) =>
        players.every(({ label }) => {
          const got = history.got(label);
          return ofKind(got, 'video').length >= video && ofKind(got, 'audio').length >= audio;
        }),
      );
    });
  }

  /**
   * In one write: HTTP-FLV of SRS takes a stream of which it has only pictures so far for one without sound, and drops
   * what comes of it (srs_app_http_stream.cpp, guess_has_av).
   */
  #open(): void {
    const keyframe = [videoTag(true, KEYFRAME_SIZE), audioTag(FILLER_SIZE / 2)];
    const chunks = [metadataTag(), audioConfigTag(), videoConfigTag(), ...keyframe].flatMap((tag) =>
      chunksOf(this.message(tag, this.time), this.client.chunkSize),
    );
    this.client.raw(Buffer.concat(chunks));
  }

  /** Timestamp of the next frame, and the clock goes on. */
  tick(): number {
    const { time } = this;
    this.time = (time + FRAME_MS) % 2 ** 32;
    return time;
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

  async #fillUntil(what: string, withinMs: number, matches: (history: History) => boolean): Promise<void> {
    const timer = setInterval(() => {
      const time = this.tick();
      this.send(audioTag(FILLER_SIZE / 2), time);
      this.send(videoTag(false, FILLER_SIZE), time);
    }, FRAME_MS);
    const ended = (): boolean => this.client.socket.end !== undefined;
    try {
      await this.#t.until(what, withinMs, (history) => ended() || matches(history));
    } finally {
      clearInterval(timer);
    }
    const { end } = this.client.socket;
    if (end === undefined) return;
    const how = end.code === '' ? end.how : `${end.how} (${end.code})`;
    throw new WireError(WireErrorCode.Closed, `connection that stands until ${what}`, how);
  }
}

function framesOf(history: History, client: string): MediaItem[] {
  return history.got(client).filter(isFrame);
}

function ofKind(items: readonly MediaItem[], kind: 'audio' | 'video'): MediaItem[] {
  return items.filter((item) => item.kind === kind);
}

/** Every player got every frame that was sent, once, whole, in order and with its timestamp, and nothing else. */
export function judgeRelay(history: History): Judgement[] {
  const players = stepsOf(history, Step.player).map(({ client }) => String(client));
  const broken = judgeAttempts(history);
  if (history.step(Step.begun) === undefined || players.length === 0) {
    return [
      ...broken,
      inconclusive('players of the stream before the deed', 'they did not all come to play'),
    ];
  }
  const sent = history.step(Step.sent);
  if (sent === undefined || !(Number(sent.video) > 0 && Number(sent.audio) > 0))
    return [...broken, inconclusive('the deed', 'it was not done')];
  const seen = players.map((player) => relayed(history, player, sent));
  const losers = seen.filter(({ lost }) => lost);
  const told = (losers.length > 0 ? losers : seen).map(({ says }) => says).join('; ');
  const expected = 'every player gets every frame once, whole, in order, with its timestamp';
  return [...broken, judged(losers.length === 0, expected, told)];
}

function relayed(
  history: History,
  player: string,
  least: StepData,
): { readonly lost: boolean; readonly says: string } {
  const got = framesOf(history, player);
  for (const kind of ['video', 'audio'] as const) {
    const source = ofKind(history.sent(PUBLISHER), kind);
    const copy = ofKind(got, kind);
    for (let at = 0; at < Math.max(Number(least[kind]), copy.length); at++) {
      const [wanted, actual] = [source[at], copy[at]];
      if (
        wanted !== undefined &&
        actual !== undefined &&
        sameBut(wanted, actual) &&
        wanted.sum === actual.sum
      )
        continue;
      const what = `${actual ? nameOf(actual) : 'nothing'} instead of ${wanted ? nameOf(wanted) : 'nothing'}`;
      const where = `${player}, ${kind} ${at + 1} of ${least[kind]}`;
      return { lost: true, says: `${where}: ${what}${sameBut(wanted, actual) ? ', other bytes' : ''}` };
    }
  }
  return { lost: false, says: `${player}: ${got.length} frames, all as sent` };
}

function sameBut(a: MediaItem | undefined, b: MediaItem | undefined): boolean {
  return a !== undefined && b !== undefined && a.timestamp === b.timestamp && a.size === b.size;
}
