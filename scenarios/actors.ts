/** The stage with real figures: the drivers' publishers and players, recorded. */
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ClientObserver, ClientOptions, Closed, HttpExchange } from '../drivers/client.ts';
import { createPlayer } from '../drivers/create.ts';
import { wallClock } from '../drivers/measure/clock.ts';
import { type Continuation, Publishing } from '../drivers/measure/publishing.ts';
import { MediaRecorder } from '../drivers/measure/recorder.ts';
import { MediaSource } from '../drivers/measure/source.ts';
import { Crowd } from '../drivers/swarm/crowd.ts';
import { WhepPlayer } from '../drivers/webrtc/player.ts';
import { WhipPublisher } from '../drivers/webrtc/publisher.ts';
import { Checksum } from '../protocols/h264/checksum.ts';
import { TS_PACKET_SIZE } from '../protocols/mpegts/reader.ts';
import { UnreachableError } from './check.ts';
import { paddedSource, rareKeyframes } from './filler.ts';
import type { CrowdFigures, ExchangeSeen, History } from './history.ts';
import { Encoder, type Session, Viewer } from './reconnecting.ts';
import {
  type CrowdRequest,
  type EncodeRequest,
  FRAME_MS,
  GOP_FRAMES,
  type PlayOptions,
  type PublishRequest,
  type Crowd as RecordedCrowd,
  type RecordedEncoder,
  type RecordedPlayer,
  type RecordedPublisher,
  type Stage,
  type StageHand,
} from './stage.ts';
import { throughLine } from './wire/webrtc.ts';

/** 25 frames/s, a keyframe every second, 480 kbit/s with audio (fixtures/media/README.md). */
const MEDIA_FILE = fileURLToPath(new URL('../fixtures/media/av-480k.flv', import.meta.url));
const STARTED_WITHIN_MS = 3000;
/** Of a playlist, in the history. */
const MAX_PLAYLIST_TEXT = 64 * 1024;
/** Frames are long with filler, so fewer of them are kept: two GOPs, sent in a loop. */
const PADDED_MS = 2 * GOP_FRAMES * FRAME_MS;

const sources = new Map<number, MediaSource>();

function sourceWith(filler: number): MediaSource {
  let source = sources.get(filler);
  if (source === undefined) {
    source = filler === 0 ? MediaSource.load(MEDIA_FILE) : paddedSource(sourceWith(0), filler, PADDED_MS);
    sources.set(filler, source);
  }
  return source;
}

function sourceOf({ filler = 0, rareKeyframes: rare = false }: PublishRequest): MediaSource {
  return rare ? rareKeyframes(sourceWith(filler)) : sourceWith(filler);
}

export const actors: Stage = {
  publish: (hand, request) => publish(hand, request),
  play: (hand, url, label, options) => new Spectator(hand, url, label, options),
  encode: (hand, request) => encode(hand, request),
  watch: (hand, request) =>
    new Viewer(
      hand,
      request,
      (label, options) => new Spectator(hand, request.url, label, options),
      request.options,
    ),
  crowd: async (hand, request) => new PlayerCrowd(hand, request),
};

/** Waits for a number that only rises. */
class Rising {
  value = 0;
  readonly #waiting = new Set<{ target: number; resolve: () => void; reject: (error: Error) => void }>();
  #end: UnreachableError | undefined;

  rise(): void {
    this.value++;
    for (const waiter of this.#waiting) {
      if (this.value < waiter.target) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
  }

  /** It rises no more. */
  end(why: string): void {
    this.#end ??= new UnreachableError(why);
    for (const { reject } of this.#waiting) reject(this.#end);
    this.#waiting.clear();
  }

  reach(target: number): Promise<void> {
    if (this.value >= target) return Promise.resolve();
    if (this.#end) return Promise.reject(this.#end);
    return new Promise((resolve, reject) => this.#waiting.add({ target, resolve, reject }));
  }
}

/** The states and the end of one client, into the history. */
function recorded(history: History, label: string, onClosed: (why: string) => void): ClientObserver {
  return {
    onState: (_, state, t) => history.append({ t, type: 'client.state', client: label, state }),
    onRedirect: (_, location, t) => history.append({ t, type: 'client.redirect', client: label, location }),
    onExchange: (_, exchange) =>
      history.append({ t: exchange.endAt, type: 'http.exchange', client: label, ...exchangeSeen(exchange) }),
    onPlaylist: (_, playlist, { url, sentAt, endAt }, text) =>
      history.append({
        t: endAt,
        type: 'hls.playlist',
        client: label,
        url,
        sentAt,
        kind: playlist.kind,
        text: text.slice(0, MAX_PLAYLIST_TEXT),
      }),
    onMessage: (_, bytes, start, t) =>
      history.append({
        t,
        type: 'srt.message',
        client: label,
        way: 'got',
        packets: packetSums(bytes, start),
      }),
    onProblem: (_, code, detail, t) =>
      history.append({ t, type: 'client.problem', client: label, code, detail }),
    onClosed(_, closed, t) {
      history.append({ t, type: 'client.closed', client: label, ...closed });
      onClosed(whyOf(closed));
    },
  };
}

function exchangeSeen({ endAt: _, headers, error, ...exchange }: HttpExchange): ExchangeSeen {
  const reached = (at: number): number | null => (Number.isNaN(at) ? null : at);
  return {
    ...exchange,
    // Those of WHIP and WHEP have no kind of their own in a history yet.
    kind: exchange.kind === 'playlist' || exchange.kind === 'segment' ? exchange.kind : 'other',
    method: exchange.kind === 'offer' ? 'POST' : exchange.kind === 'delete' ? 'DELETE' : 'GET',
    headAt: reached(exchange.headAt),
    firstByteAt: reached(exchange.firstByteAt),
    headers: Object.fromEntries(headers),
    error: error ?? null,
  };
}

function whyOf(closed: Closed): string {
  return `closed: ${closed.reason} while ${closed.during}, ${closed.code}`;
}

/** Checksums of the transport packets of a message. */
function packetSums(bytes: Uint8Array, start: number): number[] {
  const sums: number[] = [];
  for (let at = start; at < bytes.length; at += TS_PACKET_SIZE) {
    const sum = new Checksum();
    sum.update(bytes, at, Math.min(at + TS_PACKET_SIZE, bytes.length));
    sums.push(sum.digest());
  }
  return sums;
}

/** Of the path of a URL, the last part without its extension; of SRT, WHIP and WHEP where they name it. */
function streamOf(url: string): string {
  if (/^srt:/i.test(url)) return /[=/]([^=/,&?]+)(?:[,&]|$)/.exec(url)?.[1] ?? url;
  if (/^wh[ie]ps?:/i.test(url)) return new URL(url).searchParams.get('stream') ?? url;
  return new URL(url).pathname
    .split('/')
    .at(-1)!
    .replace(/\.\w+$/, '');
}

async function publish(
  hand: StageHand,
  request: PublishRequest & { label: string },
): Promise<RecordedPublisher> {
  const { label, retry } = request;
  if (retry !== undefined) {
    const what = `${label}: NetStream.Publish.Start, tried every ${retry.everyMs} ms`;
    return hand.within(what, retry.withinMs, publishAtLast(hand, request, retry.everyMs));
  }
  const { publisher, started } = beginToPublish(hand, request);
  await hand.within(`${label}: NetStream.Publish.Start`, STARTED_WITHIN_MS, started);
  return publisher;
}

/** Tries until it is let in; rejects when the check is over. */
async function publishAtLast(
  hand: StageHand,
  request: PublishRequest & { label: string },
  everyMs: number,
): Promise<RecordedPublisher> {
  for (let attempt = 1; ; attempt++) {
    const data = { publisher: request.label, attempt };
    hand.history.append({ t: wallClock.now(), type: 'step', step: 'publish-attempt', data });
    // An encoder that can try again does not wait for long.
    const { publisher, started } = beginToPublish(hand, request, { timeoutMs: STARTED_WITHIN_MS });
    try {
      await started;
      return publisher;
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
    }
    await setTimeout(everyMs, undefined, { signal: hand.signal });
  }
}

async function encode(hand: StageHand, request: EncodeRequest & { label: string }): Promise<RecordedEncoder> {
  // An encoder that can try again does not wait for long.
  const encoder = new Encoder(hand, request, (continues) =>
    beginToPublish(hand, request, { continues, timeoutMs: STARTED_WITHIN_MS }),
  );
  await hand.within(`${request.label}: NetStream.Publish.Start`, STARTED_WITHIN_MS, encoder.started);
  return encoder;
}

/** `started` rejects with UnreachableError when the connection ends before Publish.Start. */
function beginToPublish(
  hand: StageHand,
  request: PublishRequest & { label: string },
  { continues, timeoutMs }: { continues?: Continuation | undefined; timeoutMs?: number } = {},
): Session {
  const { url, label } = request;
  const stream = streamOf(url);
  const frames = new Rising();
  const started = new Rising();
  const ended = new Rising();
  let t = 0;
  const recorder = new MediaRecorder((item) => {
    hand.history.append({ t, type: 'publisher.sent', client: label, stream, ...item });
    if (item.kind === 'video') frames.rise();
  });
  const publishing = new Publishing(sourceOf(request), {
    onStart: () => started.rise(),
    onSent(_, type, timestamp, body, now) {
      t = now;
      recorder.begin(type, timestamp, body.length);
      recorder.data(type, body, 0, body.length);
      recorder.end(type, now);
    },
    onMessage: (_, bytes, start, now) =>
      hand.history.append({
        t: now,
        type: 'srt.message',
        client: label,
        way: 'sent',
        packets: packetSums(bytes, start),
      }),
    onKeyframeRequest(publication, at) {
      if (!request.rareKeyframes) return;
      hand.history.append({ t: at, type: 'step', step: 'keyframe-requested', data: { publisher: label } });
      publication.cursor.restart();
    },
    onEnd(publication) {
      const closed = publication.client.closed!;
      hand.history.append({ t: wallClock.now(), type: 'client.closed', client: label, ...closed });
      for (const rising of [frames, started]) rising.end(whyOf(closed));
      ended.rise();
    },
  });
  const options = {
    ...ledBy(hand),
    ...tapedBy(hand, label, url),
    ...(request.handshake ? { handshake: request.handshake } : {}),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
  const { mediaTo } = request;
  const publication = publishing.add(
    url,
    options,
    continues,
    mediaTo && ((to, own, observer) => new WhipPublisher(to, own, observer, throughLine(mediaTo))),
  );
  const stop = () => {
    publication.stop();
    return ended.reach(1);
  };
  hand.cleanUp(stop);
  const publisher: RecordedPublisher = {
    label,
    client: publication.client,
    get frames() {
      return publication.frames;
    },
    pause: () => publication.pause(),
    resume: () => publication.resume(),
    sent: (count, withinMs) =>
      hand.within(
        `${label}: ${count} further video frames sent`,
        withinMs,
        frames.reach(frames.value + count),
      ),
    stop,
  };
  return { publisher, stream: publication.stream, started: started.reach(1), ended: ended.reach(1) };
}

function ledBy({ allowRemote, allowHosts }: StageHand): Pick<ClientOptions, 'allowRemote' | 'allowHosts'> {
  return { ...(allowRemote === true && { allowRemote }), ...(allowHosts && { allowHosts }) };
}

function tapedBy(hand: StageHand, label: string, url: string): Pick<ClientOptions, 'tape'> {
  const tape = hand.tape?.(label, url);
  return tape === undefined ? {} : { tape };
}

class Spectator implements RecordedPlayer {
  readonly label: string;
  readonly client;
  readonly #hand: StageHand;
  readonly #frames = new Rising();
  readonly #keyframes = new Rising();
  readonly #closed = new Rising();

  constructor(hand: StageHand, url: string, label: string, options: PlayOptions = {}) {
    this.label = label;
    this.#hand = hand;
    const stream = streamOf(url);
    const recorder = new MediaRecorder((item, t) => {
      hand.history.append({ t, type: 'player.got', client: label, stream, ...item });
      if (item.kind !== 'video') return;
      this.#frames.rise();
      if (item.key && item.stamp) this.#keyframes.rise();
    });
    const observer = recorded(hand.history, label, (why) => {
      this.#closed.rise();
      for (const rising of [this.#frames, this.#keyframes]) rising.end(why);
    });
    const { mediaTo, ...own } = options;
    const playing = { ...ledBy(hand), ...tapedBy(hand, label, url), ...own };
    this.client =
      mediaTo === undefined
        ? createPlayer(url, recorder, playing, observer)
        : new WhepPlayer(url, recorder, playing, observer, throughLine(mediaTo));
    hand.cleanUp(() => this.stop());
    this.client.open();
  }

  playing(withinMs: number): Promise<void> {
    return this.#hand.within(`${this.label}: a video keyframe`, withinMs, this.#keyframes.reach(1));
  }

  frames(count: number, withinMs: number): Promise<void> {
    return this.#hand.within(
      `${this.label}: ${count} further video frames`,
      withinMs,
      this.#frames.reach(this.#frames.value + count),
    );
  }

  closed(withinMs: number): Promise<void> {
    return this.#hand.within(`${this.label}: its connection is closed`, withinMs, this.#closed.reach(1));
  }

  stop(): Promise<void> {
    this.client.close();
    return this.#closed.reach(1);
  }
}

/** In this process: a thousand players of 480 kbit/s are a small part of a core. */
class PlayerCrowd implements RecordedCrowd {
  readonly label: string;
  readonly #hand: StageHand;
  readonly #crowd: Crowd;
  readonly #settled = new Rising();
  /** Players that do not have so many frames yet. */
  #goal: { frames: number; behind: Set<number>; reached: Rising } | undefined;

  constructor(hand: StageHand, { label, ...options }: CrowdRequest) {
    this.label = label;
    this.#hand = hand;
    this.#crowd = new Crowd(
      { ...options, client: ledBy(hand) },
      {
        onSettled: () => this.#settled.rise(),
        onFrame: (player, frames) => {
          const goal = this.#goal;
          if (goal === undefined || frames < goal.frames) return;
          if (goal.behind.delete(player) && goal.behind.size === 0) goal.reached.rise();
        },
      },
    );
    hand.cleanUp(() => this.stop());
    this.#crowd.start();
  }

  get figures(): CrowdFigures {
    const { requested, joined, failed, dropped, frames, framesOfWorst } = this.#crowd.snapshot();
    const { received, unstamped, missing, duplicated, reordered, corrupt } = frames;
    return {
      requested,
      joined,
      failed,
      dropped,
      frames: received,
      unstamped,
      missing,
      duplicated,
      reordered,
      corrupt,
      framesOfWorst,
    };
  }

  joined(withinMs: number): Promise<void> {
    const { clients } = this.#crowd.options;
    const what = `${this.label}: a keyframe or an end for each of ${clients} players`;
    return this.#hand.within(what, withinMs, this.#settled.reach(1));
  }

  frames(count: number, withinMs: number): Promise<void> {
    const { clients } = this.#crowd.options;
    const behind = new Set<number>();
    for (let i = 0; i < clients; i++) {
      if ((this.#crowd.meters[i]?.received ?? 0) < count) behind.add(i);
    }
    const reached = new Rising();
    if (behind.size === 0) reached.rise();
    this.#goal = { frames: count, behind, reached };
    const what = `${this.label}: ${count} video frames for each of ${clients} players`;
    return this.#hand.within(what, withinMs, reached.reach(1));
  }

  record(): void {
    this.#hand.history.append({ t: wallClock.now(), type: 'crowd', crowd: this.label, ...this.figures });
  }

  async stop(): Promise<void> {
    this.#crowd.stop();
  }
}
