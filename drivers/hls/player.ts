/** Plays one HLS stream into a sink: master to media playlist, reloads as RFC 8216 says, segments in order. */
import { randomUUID } from 'node:crypto';
import { ProtocolError, ProtocolErrorCode } from '../../protocols/errors.ts';
import type { MasterPlaylist, MediaPlaylist, MediaSegment, Playlist } from '../../protocols/hls/playlist.ts';
import { hasChanged, nextSegment, reloadDelayMs, startSequence } from '../../protocols/hls/reload.ts';
import type { MediaSink } from '../../protocols/media.ts';
import {
  type ClientObserver,
  type ClientOptions,
  ClientState,
  CloseReason,
  type HttpExchange,
  type Player,
} from '../client.ts';
import type { HttpFailure } from '../http/connection.ts';
import { HttpPool } from '../http/pool.ts';
import { parseHttpUrl, resolveHttpUrl } from '../http/url.ts';
import { MediaInlet } from '../inlet.ts';
import { LifecycleClient } from '../lifecycle.ts';
import { wallClock } from '../measure/clock.ts';
import { MAX_TIMER_MS } from '../timers.ts';
import { type CmcdData, cmcdHeaders, cmcdUrl } from './cmcd.ts';
import type { FetchContext, FetchRequest } from './fetch.ts';
import { LoadedMedia } from './loaded-media.ts';
import { MAX_PLAYLIST_BYTES, PlaylistFetch } from './playlist-fetch.ts';
import { SegmentFetch, type SegmentSink } from './segment-fetch.ts';
import { SegmentReader } from './segment-reader.ts';
import { SequenceWatch } from './sequence-watch.ts';
import { chooseVariant } from './variant.ts';

/** One playlist and one segment at a time. */
const CONNECTIONS = 2;
/** Master playlists in a row before a media playlist: one is right, two are SRS's sessions behind a ladder. */
const MAX_MASTERS = 3;
const MAX_RETRIES = 4;
/** Before the first repetition; doubled for each one after it. Four of them bridge 7.5 s, a restart of a server. */
const BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 8000;
/** What is loaded ahead of the picture at most, as hls.js does (maxBufferLength). */
const MAX_BUFFER_MS = 30_000;
/** A segment may take as long as this many target durations, if that is more than the timeout. */
const SEGMENT_TIMEOUT_TARGETS = 3;

export class HlsPlayer extends LifecycleClient implements Player, FetchContext, SegmentSink {
  readonly sink: MediaSink;
  readonly pool: HttpPool;
  override readonly options: ClientOptions;
  host = '';
  /** Requests that were made again because the answer was missing or not whole. */
  retries = 0;
  /** Kept connections that the server had closed just when a request went out: it went out once more. */
  resends = 0;
  /** The end of the stream (EXT-X-ENDLIST) was played. */
  finished = false;
  /** For how long the latest media playlist has been the same at least, as this player saw it, in ms; 0 when it was new. */
  playlistAgeMs = 0;

  readonly #reader: SegmentReader;
  readonly #loaded = new LoadedMedia();
  readonly #playlists: PlaylistFetch;
  readonly #segments: SegmentFetch;
  readonly #watch = new SequenceWatch();
  #session: string | undefined;
  /** What is loaded now: the user's URL, or that of a variant. */
  #location: URL | undefined;
  #bandwidth: number | undefined;
  #media: MediaPlaylist | undefined;
  #base: URL | undefined;
  #masters = 0;
  #loadStarted = 0;
  #playlistFailures = 0;
  #playlistTimer: NodeJS.Timeout | undefined;

  /** Media sequence number of the last segment that is behind us; undefined before the first. */
  #last: number | undefined;
  #segment: MediaSegment | undefined;
  #segmentFailures = 0;
  #segmentTimer: NodeJS.Timeout | undefined;
  #throughput: number | undefined;
  #paused = false;
  #reloadDue = false;

  constructor(url: string, sink: MediaSink, options: ClientOptions = {}, observer?: ClientObserver) {
    super(url, options, observer);
    this.options = options;
    this.sink = sink;
    this.pool = new HttpPool(CONNECTIONS, options.localAddress, options.tape);
    this.#reader = new SegmentReader(new MediaInlet(sink, this.timing), (code, detail, at) => {
      if (!this.#over) this.#problem(code, detail, at);
    });
    const limit = options.hls?.maxPlaylistBytes ?? MAX_PLAYLIST_BYTES;
    this.#playlists = new PlaylistFetch(this, limit, (playlist, base, exchange, failure) =>
      this.#onPlaylist(playlist, base, exchange, failure),
    );
    this.#segments = new SegmentFetch(this, this);
  }

  get bytesIn(): number {
    return this.pool.bytesIn;
  }

  pause(): void {
    this.#paused = true;
    this.pool.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.pool.resume();
    if (this.#reloadDue) this.#load();
    this.#advance();
  }

  protected override start(): void {
    try {
      this.#location = parseHttpUrl(this.url);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.fail(CloseReason.protocol, error.code, error.message);
      return;
    }
    this.host = this.#location.hostname.replace(/^\[(.*)\]$/, '$1');
    this.enter(ClientState.connecting);
    this.#load();
  }

  protected override release(orderly: boolean): void {
    clearTimeout(this.#playlistTimer);
    clearTimeout(this.#segmentTimer);
    this.#playlists.abort();
    this.#segments.abort();
    this.pool.close(orderly);
    this.#media = undefined;
    this.#segment = undefined;
  }

  onConnected(at: number): void {
    if (!Number.isNaN(this.timing.tcp)) return;
    this.timing.tcp = at;
    this.enter(ClientState.handshaking);
  }

  onSent(at: number): void {
    if (!Number.isNaN(this.timing.handshake)) return;
    this.timing.handshake = at;
    this.timing.connect = at;
    this.enter(ClientState.requesting);
  }

  onResend(): void {
    this.resends++;
  }

  onRedirect(location: string, at: number): void {
    this.observer?.onRedirect?.(this, location, at);
  }

  #problem(code: string, detail: string, at: number): void {
    this.observer?.onProblem?.(this, code, detail, at);
  }

  get #over(): boolean {
    return this.state === ClientState.closed;
  }

  // ---- playlists ----

  #load(): void {
    if (this.#over || this.#playlists.busy) return;
    this.#reloadDue = this.#paused;
    if (this.#paused) return;
    this.#loadStarted = performance.now();
    this.#playlists.load(this.#request(this.#location!, undefined));
  }

  #loadAfter(ms: number): void {
    clearTimeout(this.#playlistTimer);
    this.#playlistTimer = setTimeout(() => this.#load(), Math.min(MAX_TIMER_MS, Math.max(0, ms)));
  }

  #onPlaylist(
    playlist: Playlist | undefined,
    base: URL,
    exchange: HttpExchange,
    failure: HttpFailure | undefined,
  ): void {
    if (this.#over) return;
    this.observer?.onExchange?.(this, exchange);
    if (this.#over) return;
    if (playlist === undefined || failure !== undefined) {
      if (failure !== undefined) this.#playlistFailed(failure, exchange.endAt);
    } else if (playlist.kind === 'master') this.#onMaster(playlist, base, exchange);
    else this.#onMedia(playlist, base, exchange);
  }

  #playlistFailed(failure: HttpFailure, at: number): void {
    this.#problem(`hls.playlist.${failure.code}`, failure.detail, at);
    const limit = this.options.hls?.maxRetries ?? MAX_RETRIES;
    if (failure.reason === CloseReason.redirect || this.#playlistFailures >= limit) {
      this.fail(failure.reason, failure.code, failure.detail);
      return;
    }
    this.retries++;
    this.#loadAfter(backoff(this.#playlistFailures++));
  }

  #onMaster(master: MasterPlaylist, base: URL, exchange: HttpExchange): void {
    this.observer?.onPlaylist?.(this, master, exchange, this.#playlists.text);
    if (this.#over) return;
    // SRS answers a media playlist of a session that it does not know with a master playlist (facts/srs.md 6.4).
    if (this.#media !== undefined && this.#masters === 0) {
      this.#problem('hls.session.lost', `${exchange.url} is a master playlist now`, exchange.endAt);
    }
    const variant = chooseVariant(master, this.options.hls?.variant ?? 'first');
    if (++this.#masters > MAX_MASTERS) {
      const detail = `${this.#masters} master playlists in a row, ${MAX_MASTERS} allowed`;
      this.fail(CloseReason.protocol, 'hls.master.depth', detail);
    } else if (variant === undefined) {
      this.fail(CloseReason.protocol, 'hls.master.empty', 'the master playlist has no variant');
    } else {
      const location = resolveHttpUrl(variant.uri, base);
      if (location === undefined) {
        const detail = `${JSON.stringify(variant.uri)} is not an HTTP URL`;
        this.fail(CloseReason.protocol, ProtocolErrorCode.Url, detail);
        return;
      }
      this.#bandwidth = variant.bandwidth;
      this.#location = location;
      this.#load();
    }
  }

  #onMedia(playlist: MediaPlaylist, base: URL, exchange: HttpExchange): void {
    const previous = this.#media;
    const at = exchange.endAt;
    const changed = previous === undefined || hasChanged(previous, playlist);
    this.#media = playlist;
    this.#base = base;
    this.#masters = 0;
    this.#playlistFailures = 0;
    this.playlistAgeMs = this.#watch.age(changed, exchange.sentAt, at);
    this.observer?.onPlaylist?.(this, playlist, exchange, this.#playlists.text);
    if (previous === undefined && !this.#over) {
      this.timing.play = at;
      this.enter(ClientState.streaming);
    }
    if (this.#over) return;
    this.#watch.look(previous, playlist, (code, detail) => this.#problem(code, detail, at));
    if (this.#watch.restarted(playlist, this.#last, at)) {
      this.#problem('hls.sequence.reset', `nothing after ${this.#last}: begun anew`, at);
      this.#beginAnew();
    }
    const delay = reloadDelayMs(playlist, changed);
    if (Number.isFinite(delay)) this.#loadAfter(delay - (performance.now() - this.#loadStarted));
    this.#advance();
  }

  // ---- segments ----

  /** Nothing of before is played any more, what is being loaded of it, or is to be tried again, included. */
  #beginAnew(): void {
    clearTimeout(this.#segmentTimer);
    this.#segments.abort();
    this.#segment = undefined;
    this.#segmentFailures = 0;
    this.#last = undefined;
    this.#reader.reset();
  }

  /** Loads the next segment, if it is there and there is room for it. */
  #advance(): void {
    const playlist = this.#media;
    if (playlist === undefined || this.#over || this.#paused || this.#segment !== undefined) return;
    clearTimeout(this.#segmentTimer);
    if (this.#last === undefined) {
      if (playlist.segments.length === 0 && !playlist.endList) return;
      this.#last = startSequence(playlist, this.options.hls?.start ?? '3-segments') - 1;
    }
    for (;;) {
      const { segment, skipped } = nextSegment(playlist, this.#last);
      if (segment === undefined) {
        if (playlist.endList) this.#finish();
        return;
      }
      const now = wallClock.now();
      if (skipped > 0) {
        this.#problem('hls.gap', `${skipped} segments after ${this.#last} are gone from the playlist`, now);
        this.#last = segment.sequence - 1;
        this.#reader.reset();
      }
      if (this.#over) return;
      const ahead = this.#loaded.ahead(now) - MAX_BUFFER_MS;
      if (ahead > 0) {
        this.#segmentTimer = setTimeout(() => this.#advance(), Math.min(MAX_TIMER_MS, ahead));
        return;
      }
      const url = resolveHttpUrl(segment.uri, this.#base!);
      if (url !== undefined && !segment.gap) {
        this.#fetch(segment, url, false);
        return;
      }
      this.#skip(
        segment,
        segment.gap ? 'EXT-X-GAP' : `${JSON.stringify(segment.uri)} is not an HTTP URL`,
        now,
      );
      if (this.#over) return;
    }
  }

  #fetch(segment: MediaSegment, url: URL, again: boolean): void {
    if (segment.map !== undefined || (segment.key !== undefined && segment.key.method !== 'NONE')) {
      const [code, what] = segment.map === undefined ? ['key', 'encrypted'] : ['map', 'fragmented MP4'];
      const detail = `segment ${segment.sequence} is ${what}: only plain MPEG-TS is played`;
      this.fail(CloseReason.protocol, `hls.unsupported.${code}`, detail);
      return;
    }
    this.#segment = segment;
    if (!again) {
      this.#reader.begin(segment.sequence);
      if (segment.discontinuity) this.#reader.reset();
    }
    const limitMs = SEGMENT_TIMEOUT_TARGETS * this.#media!.targetDuration * 1000;
    this.#segments.load(segment, this.#request(url, segment), again, Math.min(limitMs, MAX_TIMER_MS));
  }

  onSegmentBytes(bytes: Uint8Array, start: number, end: number, at: number): void {
    this.#loaded.begin(at);
    this.#reader.push(bytes, start, end, at);
  }

  onSegmentEnd(at: number): void {
    this.#reader.end(at);
  }

  onSegmentDone(exchange: HttpExchange, failure: HttpFailure | undefined): void {
    const segment = this.#segment;
    if (this.#over || segment === undefined) return;
    const at = exchange.endAt;
    this.observer?.onExchange?.(this, exchange);
    this.#reader.settle(at);
    if (this.#over) return;
    if (failure !== undefined) {
      this.#segmentFailed(segment, failure, at);
      return;
    }
    this.#segment = undefined;
    this.#segmentFailures = 0;
    this.#last = segment.sequence;
    this.#loaded.add(segment.duration * 1000, at);
    this.#throughput = (exchange.bytes * 8) / Math.max(1, at - exchange.sentAt);
    this.#advance();
  }

  #segmentFailed(segment: MediaSegment, failure: HttpFailure, at: number): void {
    const malformed = failure.code.startsWith('mpegts.');
    const code =
      failure.code === 'http.404'
        ? 'hls.segment.missing'
        : malformed
          ? failure.code
          : `hls.segment.${failure.code}`;
    this.#problem(code, `segment ${segment.sequence}: ${failure.detail}`, at);
    if (this.#over) return;
    const limit = this.options.hls?.maxRetries ?? MAX_RETRIES;
    const final = malformed || failure.reason === CloseReason.redirect || this.#segmentFailures >= limit;
    if (final) {
      this.#giveUp(segment, failure.detail);
      return;
    }
    this.#segmentTimer = setTimeout(() => this.#again(segment), backoff(this.#segmentFailures++));
  }

  /** Once more, unless it left the playlist meanwhile. */
  #again(segment: MediaSegment): void {
    const listed = nextSegment(this.#media!, segment.sequence - 1).segment;
    const url = listed === undefined ? undefined : resolveHttpUrl(listed.uri, this.#base!);
    if (listed?.sequence !== segment.sequence || url === undefined) {
      this.#giveUp(segment, 'it left the playlist');
      return;
    }
    this.retries++;
    this.#fetch(listed, url, true);
  }

  #giveUp(segment: MediaSegment, why: string): void {
    this.#segment = undefined;
    this.#segmentFailures = 0;
    this.#skip(segment, why, wallClock.now());
    if (!this.#over) this.#advance();
  }

  #skip(segment: MediaSegment, why: string, at: number): void {
    this.#last = segment.sequence;
    this.#reader.reset();
    this.#problem('hls.gap', `segment ${segment.sequence} is skipped: ${why}`, at);
  }

  #finish(): void {
    this.finished = true;
    this.fail(CloseReason.remote, 'eof.streaming', 'the last segment before EXT-X-ENDLIST was played');
  }

  #request(url: URL, segment: MediaSegment | undefined): FetchRequest {
    const mode = this.options.hls?.cmcd;
    if (mode === undefined) return { url };
    const data = this.#cmcd(segment);
    return mode === 'headers' ? { url, headers: cmcdHeaders(data) } : { url, sent: cmcdUrl(url, data) };
  }

  #cmcd(segment: MediaSegment | undefined): CmcdData {
    this.#session ??= randomUUID();
    const media = this.#media;
    return {
      sid: this.#session,
      ot: segment === undefined ? 'm' : 'av',
      ...(media !== undefined && { st: media.endList ? 'v' : 'l' }),
      ...(this.#throughput !== undefined && { mtp: this.#throughput }),
      ...(segment !== undefined && {
        d: segment.duration * 1000,
        bl: this.#loaded.ahead(wallClock.now()),
        su: Number.isNaN(this.timing.firstKeyframe),
        ...(this.#bandwidth !== undefined && { br: this.#bandwidth / 1000 }),
      }),
    };
  }
}

function backoff(failures: number): number {
  return Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** failures);
}
