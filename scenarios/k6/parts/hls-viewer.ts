/**
 * One HLS viewer as k6 wants it: code that blocks. It loads the playlist when RFC 8216 section 6.3.3 says so, and every
 * segment that is listed, one after the other. What HTTP, clock and sleep are is given to it, so that it also runs
 * under Node.
 */
import { ProtocolError } from '../../../protocols/errors.ts';
import { parsePlaylist } from '../../../protocols/hls/parse.ts';
import type { MediaPlaylist, MediaSegment, Playlist } from '../../../protocols/hls/playlist.ts';
import {
  hasChanged,
  nextSegment,
  reloadDelayMs,
  type StartMode,
  startSequence,
} from '../../../protocols/hls/reload.ts';
import { TsMediaReader } from '../../../protocols/mpegts/media.ts';
import { type FrameObserver, FrameTally } from './frame-tally.ts';
import { resolveUri } from './resolve-uri.ts';

/** What viewers bear and count. The codes are those of our swarm's players. */
export const ViewerProblem = {
  /** A playlist did not come with 200. */
  playlistFailed: 'hls.playlist.failed',
  /** A playlist could not be read. */
  playlistMalformed: 'hls.playlist.malformed',
  /** Unchanged for more than 1.5 target durations (RFC 8216 section 6.2.1). */
  stale: 'hls.stale',
  /** Segments left the playlist before they were loaded, or were given up. */
  gap: 'hls.gap',
  /** A listed segment was answered with 404. */
  segmentMissing: 'hls.segment.missing',
  /** A segment did not come for another reason. */
  segmentFailed: 'hls.segment.failed',
  /** Packets of a transport stream were lost. */
  continuity: 'mpegts.continuity',
  /** A segment is no transport stream, or broken. */
  malformed: 'mpegts.malformed',
} as const;
export type ViewerProblem = (typeof ViewerProblem)[keyof typeof ViewerProblem];

export interface Answer<Body> {
  /** 0 without an answer. */
  readonly status: number;
  readonly body: Body | null;
}

export type RequestKind = 'playlist' | 'segment';

/** Every call blocks until it is done. */
export interface ViewerHost extends FrameObserver {
  /** Bodies as text. */
  playlist(url: string): Answer<string>;
  segment(url: string): Answer<ArrayBuffer>;
  /** Epoch ms. */
  now(): number;
  sleep(ms: number): void;
  onProblem(problem: ViewerProblem): void;
  /** For so long the viewer was busy with itself, in ms. */
  onBusy(ms: number): void;
}

export interface ViewerOptions {
  readonly start?: StartMode;
  /** Whether the frames of segments are read; else segments are loaded and thrown away. Default true. */
  readonly inspect?: boolean;
}

/** From playlist to master playlist and on: one is right, two are SRS's sessions behind a ladder. */
const MAX_MASTERS = 3;
const STALE_TARGETS = 1.5;
/** After a playlist that did not come. */
const RETRY_MS = 500;
/** Of one segment, before it is given up. */
const MAX_TRIES = 3;

export class HlsViewer {
  readonly frames: FrameTally;
  /** Segments that came. */
  loaded = 0;
  readonly #host: ViewerHost;
  readonly #start: StartMode;
  readonly #inspect: boolean;
  readonly #reader: TsMediaReader;
  #url: string;
  #media: MediaPlaylist | undefined;
  #changedAt: number;
  /** Media sequence number of the last segment that is behind us; undefined before the first. */
  #last: number | undefined;
  #lossTold = false;

  constructor(url: string, host: ViewerHost, { start = '3-segments', inspect = true }: ViewerOptions = {}) {
    this.#url = url;
    this.#host = host;
    this.#start = start;
    this.#inspect = inspect;
    this.#changedAt = host.now();
    this.frames = new FrameTally(this.#changedAt, host);
    this.#reader = new TsMediaReader(this.frames, () => this.#onLoss());
  }

  /** Returns at `until` (epoch ms), or when the stream has ended. */
  play(until: number): void {
    const { now, sleep } = this.#host;
    while (now() < until) {
      const loadedAt = now();
      const delay = this.#reload();
      if (this.#media !== undefined) this.#drain(until);
      if (delay === Number.POSITIVE_INFINITY) break;
      sleep(Math.max(0, Math.min(loadedAt + delay, until) - now()));
    }
    this.frames.model.finish(now());
  }

  /** Loads the playlist, through master playlists. Returns ms from the load to the next one. */
  #reload(): number {
    for (let masters = 0; masters < MAX_MASTERS; masters++) {
      const { status, body } = this.#host.playlist(this.#url);
      if (status !== 200 || body === null) return this.#refused(ViewerProblem.playlistFailed);
      const playlist = parsed(body);
      if (playlist === undefined) return this.#refused(ViewerProblem.playlistMalformed);
      if (playlist.kind === 'media') return this.#onMedia(playlist);
      const variant = playlist.variants[0];
      const location = variant === undefined ? undefined : resolveUri(variant.uri, this.#url);
      if (location === undefined) return this.#refused(ViewerProblem.playlistMalformed);
      this.#url = location;
    }
    return this.#refused(ViewerProblem.playlistMalformed);
  }

  #refused(problem: ViewerProblem): number {
    this.#host.onProblem(problem);
    return RETRY_MS;
  }

  #onMedia(playlist: MediaPlaylist): number {
    const at = this.#host.now();
    const changed = this.#media === undefined || hasChanged(this.#media, playlist);
    if (changed) this.#changedAt = at;
    else if (!playlist.endList && at - this.#changedAt > STALE_TARGETS * playlist.targetDuration * 1000) {
      this.#host.onProblem(ViewerProblem.stale);
      this.#changedAt = at;
    }
    this.#media = playlist;
    return reloadDelayMs(playlist, changed);
  }

  /** Loads what is listed and was not loaded. */
  #drain(until: number): void {
    const playlist = this.#media!;
    if (playlist.segments.length === 0) return;
    this.#last ??= startSequence(playlist, this.#start) - 1;
    while (this.#host.now() < until) {
      const { segment, skipped } = nextSegment(playlist, this.#last);
      if (segment === undefined) return;
      if (skipped > 0) this.#skip(segment.sequence - 1);
      this.#last = segment.sequence;
      if (!this.#load(segment)) this.#skip(segment.sequence);
    }
  }

  #skip(last: number): void {
    this.#last = last;
    this.#reader.reset();
    this.#host.onProblem(ViewerProblem.gap);
  }

  #load(segment: MediaSegment): boolean {
    const url = segment.gap ? undefined : resolveUri(segment.uri, this.#url);
    if (url === undefined) return false;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      if (tries > 0) this.#host.sleep(RETRY_MS);
      const { status, body } = this.#host.segment(url);
      if (status === 200 && body !== null) {
        this.loaded++;
        return !this.#inspect || this.#read(segment, new Uint8Array(body));
      }
      this.#host.onProblem(status === 404 ? ViewerProblem.segmentMissing : ViewerProblem.segmentFailed);
    }
    return false;
  }

  #read(segment: MediaSegment, bytes: Uint8Array): boolean {
    const at = this.#host.now();
    this.#lossTold = false;
    if (segment.discontinuity) this.#reader.reset();
    try {
      this.#reader.push(bytes, 0, bytes.length, at);
      this.#reader.end(at);
      return true;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#host.onProblem(ViewerProblem.malformed);
      return false;
    } finally {
      this.#host.onBusy(this.#host.now() - at);
    }
  }

  /** Once per segment. */
  #onLoss(): void {
    if (this.#lossTold) return;
    this.#lossTold = true;
    this.#host.onProblem(ViewerProblem.continuity);
  }
}

function parsed(text: string): Playlist | undefined {
  try {
    return parsePlaylist(text);
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}
