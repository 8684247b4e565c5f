/** Many publishers of one source, paced by DTS against an absolute schedule, with one timer for all of them. */
import { randomInt } from 'node:crypto';
import type { MediaType } from '../../protocols/media.ts';
import type { Client, ClientObserver, ClientOptions, Publisher } from '../client.ts';
import { ClientState } from '../client.ts';
import { createPublisher } from '../create.ts';
import { wallClock } from './clock.ts';
import { LatencyHistogram } from './histogram.ts';
import { type MediaSource, SourceCursor } from './source.ts';

/** A server that does not read is not sent more than this ahead; frames then wait, and are late, not lost. */
const MAX_BACKLOG = 1024 * 1024;
/** How soon a publisher whose server does not read is looked at again. */
const BACKLOG_RETRY_MS = 20;
/** What is longer between two looks is ours: the event loop was held up for longer than a healthy one is (100 ms). */
const MAX_LOOK_MS = 120;
/**
 * What is due has to be taken within this time: SRS gives up a publisher of whom it hears nothing for as long
 * (facts/srs.md 10.2, `publish.normal_timeout`).
 */
export const TAKEN_WITHIN_MS = 5000;

export interface PublicationObserver {
  /** Publish.Start was received, headers follow. */
  onStart?(publication: Publication): void;
  /** One tag body was handed to the socket; `body` is only valid during the call. `now` is the stamp's clock. */
  onSent?(publication: Publication, type: MediaType, timestamp: number, body: Uint8Array, now: number): void;
  /** See ClientObserver. */
  onMessage?(publication: Publication, bytes: Uint8Array, start: number, at: number): void;
  /** See ClientObserver. */
  onKeyframeRequest?(publication: Publication, at: number): void;
  onEnd?(publication: Publication): void;
}

/** For an encoder that goes on after its connection broke: it has not stopped to encode meanwhile. */
export interface Continuation {
  /** In every stamp, as before the break. */
  readonly stream: number;
  /** The number of the frame that is next; asked for at Publish.Start. */
  frame(): number;
}

/** One stream on its way to a server. */
export class Publication {
  readonly url: string;
  /** In every stamp; a publication that is started anew, and continues none, has another one. */
  readonly stream: number;
  readonly client: Publisher;
  readonly continues: Continuation | undefined;
  /** The number of the next video frame: so many were sent, where this continues no other publication. */
  frames = 0;
  bytes = 0;
  readonly cursor: SourceCursor;
  /** `performance.now()` at which timestamp 0 is due; NaN before Publish.Start. */
  origin = Number.NaN;
  /** How late the next item is through the server, as of the last look, in ms: it is due, and what went before is not taken. */
  untakenMs = 0;
  /** The worst of it. */
  worstUntakenMs = 0;
  /** When an item last had to wait for the server; NaN as soon as nothing is due any more. */
  #fullAt = Number.NaN;
  /** Of the lateness since then, what our own event loop was late. */
  #ownMs = 0;
  #pausedAt = Number.NaN;
  readonly #publishing: Publishing;

  constructor(
    publishing: Publishing,
    url: string,
    source: MediaSource,
    options: ClientOptions | undefined,
    continues: Continuation | undefined,
    create: typeof createPublisher,
  ) {
    this.#publishing = publishing;
    this.url = url;
    this.continues = continues;
    this.stream = continues?.stream ?? randomInt(2 ** 32);
    this.cursor = new SourceCursor(source);
    this.client = create(url, options, publishing);
  }

  get paused(): boolean {
    return !Number.isNaN(this.#pausedAt);
  }

  /** Stops sending, keeps the connection. */
  pause(): void {
    if (!this.paused) this.#pausedAt = performance.now();
  }

  /** Goes on where it stopped: timestamps have no gap, and nothing bursts. */
  resume(): void {
    if (!this.paused) return;
    const paused = performance.now() - this.#pausedAt;
    this.origin += paused;
    this.#fullAt += paused;
    this.#pausedAt = Number.NaN;
    this.#publishing.wake();
  }

  /** Unpublishes and closes. */
  stop(): void {
    this.client.close();
  }

  /** Everything that was due is sent. */
  onSchedule(): void {
    this.untakenMs = 0;
    this.#fullAt = Number.NaN;
  }

  /** The next item is late, and what was sent before it is not taken. */
  onFull(now: number, late: number): void {
    if (Number.isNaN(this.#fullAt)) this.#ownMs = late;
    else this.#ownMs += Math.max(0, now - this.#fullAt - MAX_LOOK_MS);
    this.#fullAt = now;
    this.untakenMs = Math.max(0, late - this.#ownMs);
    if (this.untakenMs > this.worstUntakenMs) this.worstUntakenMs = this.untakenMs;
  }
}

export class Publishing implements ClientObserver {
  /** By how much items were sent later than due, in ms: the generator's own lag, and that of servers that do not read. */
  readonly lag = new LatencyHistogram();
  /** The latest that an item was which the server did not take, in ms, with what our own event loop was late. */
  latestUntakenMs = 0;
  readonly #source: MediaSource;
  readonly #observer: PublicationObserver | undefined;
  readonly #publications = new Map<Client, Publication>();
  #timer: NodeJS.Timeout | undefined;

  constructor(source: MediaSource, observer?: PublicationObserver) {
    this.#source = source;
    this.#observer = observer;
  }

  /**
   * Connects and publishes, from a keyframe and timestamp 0 on. Throws ProtocolError(Url).
   * @param create the client; default the one of the URL's scheme.
   */
  add(
    url: string,
    options?: ClientOptions,
    continues?: Continuation,
    create: typeof createPublisher = createPublisher,
  ): Publication {
    const publication = new Publication(this, url, this.#source, options, continues, create);
    this.#publications.set(publication.client, publication);
    publication.client.open();
    return publication;
  }

  /** The worst `untakenMs` of those that are open. */
  get untakenMs(): number {
    let worst = 0;
    for (const { untakenMs } of this.#publications.values()) if (untakenMs > worst) worst = untakenMs;
    return worst;
  }

  stop(): void {
    for (const publication of this.#publications.values()) publication.client.close();
  }

  onState(client: Client, state: ClientState): void {
    const publication = this.#publications.get(client);
    if (publication === undefined || state !== ClientState.streaming) return;
    publication.frames = publication.continues?.frame() ?? 0;
    this.#observer?.onStart?.(publication);
    const now = wallClock.now();
    for (const { type, body } of this.#source.headers) this.#send(publication, type, 0, body, now);
    publication.origin = performance.now();
    this.wake();
  }

  onMessage(client: Client, bytes: Uint8Array, start: number, at: number): void {
    const publication = this.#publications.get(client);
    if (publication !== undefined) this.#observer?.onMessage?.(publication, bytes, start, at);
  }

  onKeyframeRequest(client: Client, at: number): void {
    const publication = this.#publications.get(client);
    if (publication !== undefined) this.#observer?.onKeyframeRequest?.(publication, at);
  }

  onClosed(client: Client): void {
    const publication = this.#publications.get(client);
    if (publication === undefined) return;
    this.#publications.delete(client);
    this.#observer?.onEnd?.(publication);
    if (this.#publications.size === 0) clearTimeout(this.#timer);
  }

  /** Looks at the schedule now. */
  wake(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tick(), 0);
  }

  #tick(): void {
    let next = Number.POSITIVE_INFINITY;
    for (const publication of this.#publications.values()) {
      if (Number.isNaN(publication.origin) || publication.paused) continue;
      const due = this.#sendDue(publication);
      if (due < next) next = due;
    }
    if (next === Number.POSITIVE_INFINITY) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tick(), Math.max(1, next - performance.now()));
  }

  /** Sends what is due and no more. Returns when to look again. */
  #sendDue(publication: Publication): number {
    const { cursor } = publication;
    for (;;) {
      const due = publication.origin + cursor.timestamp;
      const at = performance.now();
      const late = at - due;
      if (late < 0) {
        publication.onSchedule();
        return due;
      }
      if (publication.client.state !== ClientState.streaming) return Number.POSITIVE_INFINITY;
      if (publication.client.backlog > MAX_BACKLOG) {
        publication.onFull(at, late);
        if (late > this.latestUntakenMs) this.latestUntakenMs = late;
        return at + BACKLOG_RETRY_MS;
      }
      this.lag.record(late);
      const { item, timestamp } = cursor;
      cursor.advance();
      const now = wallClock.now();
      const body = item.template?.write(publication.stream, publication.frames, now) ?? item.body;
      if (item.template !== undefined) publication.frames++;
      this.#send(publication, item.type, timestamp, body, now);
    }
  }

  #send(publication: Publication, type: MediaType, timestamp: number, body: Uint8Array, now: number): void {
    publication.client.send(type, timestamp, body);
    publication.bytes += body.length;
    this.#observer?.onSent?.(publication, type, timestamp, body, now);
  }
}
