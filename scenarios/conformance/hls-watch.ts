/** Follows an HLS stream at one entry, by its own means: no player of the drivers has a part in it. */
import { wallClock } from '../../drivers/measure/clock.ts';
import { ProtocolError } from '../../protocols/errors.ts';
import { parsePlaylist } from '../../protocols/hls/parse.ts';
import type { MediaPlaylist, MediaSegment, Playlist } from '../../protocols/hls/playlist.ts';
import type { CheckContext } from '../check.ts';
import { readSegment } from '../wire/segment.ts';

/** Playlists are asked for so often: the time at which one changed is known to this. */
export const HLS_POLL_MS = 100;
const MAX_MASTERS = 3;

export interface WatchRequest {
  /** Its client in the history. */
  readonly label: string;
  readonly url: string;
  /** So many further clients ask for everything at the same time; they are `<label>-herd`. Default 0. */
  readonly herd?: number;
}

/** A segment that left the playlist. */
interface Gone {
  readonly segment: MediaSegment;
  readonly url: string;
  /** The last playlist with it was asked for, epoch ms: it was there until then at the least. */
  readonly at: number;
  /** How long it has to be there from then on (RFC 8216 6.2.2). */
  readonly keptMs: number;
}

/** A segment's name in the history: its URI alone comes again when a node starts to count anew. */
function keyOf({ sequence, uri }: MediaSegment): string {
  return `${sequence} ${uri}`;
}

export class HlsWatch {
  readonly label: string;
  readonly #t: CheckContext;
  readonly #herd: number;
  #url: string;
  #masters = 0;
  readonly #fetched = new Set<string>();
  readonly #removed: Gone[] = [];
  #playlist: MediaPlaylist | undefined;
  /** When that was asked for, epoch ms. */
  #listedAt = 0;
  /** Of each segment, the duration of the longest playlist with it, ms. */
  readonly #longest = new Map<string, number>();
  #isOver = false;
  #running: Promise<void> = Promise.resolve();

  constructor(t: CheckContext, { label, url, herd = 0 }: WatchRequest) {
    this.#t = t;
    this.label = label;
    this.#url = url;
    this.#herd = herd;
  }

  start(): void {
    this.#running = this.#follow();
    // Who stops it hears of it.
    this.#running.catch(() => {});
  }

  /** Ends after the round that is under way, and looks once more for what left the playlist. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
    for (const gone of this.#removed) await this.#askLate(gone);
  }

  async #follow(): Promise<void> {
    while (!this.#isOver) {
      const begun = performance.now();
      await this.#round();
      const rest = HLS_POLL_MS - (performance.now() - begun);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, rest)));
      if (this.#t.signal.aborted) return;
    }
  }

  async #round(): Promise<void> {
    const others = this.#crowd(this.#url);
    // When the check is over, what is asked for first says so, and nobody waits for these any more.
    others.catch(() => {});
    const answer = await this.#t.http(this.#url, { label: this.label });
    await others;
    if (answer.status !== 200 || answer.error !== null) return;
    const playlist = readPlaylist(this.#t, this.label, answer.body);
    if (playlist === undefined) return;
    if (playlist.kind === 'master') {
      const variant = playlist.variants[0];
      if (variant !== undefined && this.#masters++ < MAX_MASTERS) {
        this.#url = new URL(variant.uri, this.#url).href;
      }
      return;
    }
    await this.#forget(playlist);
    const previous = this.#playlist;
    this.#playlist = playlist;
    this.#listedAt = answer.sentAt;
    const total = durationMs(playlist);
    for (const segment of playlist.segments) {
      const key = keyOf(segment);
      this.#longest.set(key, Math.max(total, this.#longest.get(key) ?? 0));
    }
    for (const segment of playlist.segments) {
      if (this.#fetched.has(keyOf(segment))) continue;
      this.#fetched.add(keyOf(segment));
      await this.#fetch(segment);
    }
    if (previous?.mediaSequence !== playlist.mediaSequence) await this.#askOldest(playlist);
  }

  async #fetch(segment: MediaSegment): Promise<void> {
    const others = this.#crowd(new URL(segment.uri, this.#url).href);
    others.catch(() => {});
    await fetchSegment(this.#t, { label: this.label, base: this.#url, segment });
    await others;
  }

  /** What left the playlist is asked for at once, and at the end again. */
  async #forget(playlist: MediaPlaylist): Promise<void> {
    const listed = new Set(playlist.segments.map(keyOf));
    const at = this.#listedAt;
    for (const segment of this.#playlist?.segments ?? []) {
      if (listed.has(keyOf(segment))) continue;
      const url = new URL(segment.uri, this.#url).href;
      // RFC 8216 6.2.2: its own duration and that of the longest playlist that listed it.
      const keptMs = segment.duration * 1000 + (this.#longest.get(keyOf(segment)) ?? 0);
      const gone = { segment, url, at, keptMs };
      this.#removed.push(gone);
      await this.#askLate(gone);
    }
  }

  /** What is listed is there, to the last moment: whenever another segment is the oldest one. */
  async #askOldest({ segments }: MediaPlaylist): Promise<void> {
    const [oldest] = segments;
    if (oldest === undefined) return;
    const answer = await this.#t.http(new URL(oldest.uri, this.#url).href, { label: `${this.label}-late` });
    this.#t.step('oldest', { client: this.label, sequence: oldest.sequence, status: answer.status });
  }

  async #askLate({ segment, url, at, keptMs }: Gone): Promise<void> {
    const asked = wallClock.now();
    const answer = await this.#t.http(url, { label: `${this.label}-late` });
    this.#t.step('late', {
      client: this.label,
      sequence: segment.sequence,
      afterMs: asked - at,
      keptMs,
      status: answer.status,
    });
  }

  /** The others ask, too, at the same time; each tells its session in CMCD (CTA-5004 3.3.3, 4.1), as web players do. */
  async #crowd(url: string): Promise<void> {
    const label = `${this.label}-herd`;
    const urls = Array.from({ length: this.#herd }, (_, i) => {
      const own = new URL(url);
      own.searchParams.set('CMCD', `sid="${this.label}-${i}"`);
      return own.href;
    });
    await Promise.all(urls.map((one) => this.#t.http(one, { label })));
  }
}

export interface SegmentRequest {
  readonly label: string;
  /** URL of the playlist. */
  readonly base: string;
  readonly segment: MediaSegment;
  readonly localAddress?: string;
}

/** Fetches a segment and records what is in it: its frames as `player.got`, then a step `segment`. */
export async function fetchSegment(t: CheckContext, request: SegmentRequest): Promise<void> {
  const { label, base, segment, ...from } = request;
  const answer = await t.http(new URL(segment.uri, base).href, { label, ...from });
  const at = wallClock.now();
  // The body of an error is none.
  const { frames, audio, shownAt, ...facts } = readSegment(
    answer.status === 200 ? answer.body : new Uint8Array(),
    segment.sequence,
  );
  for (const item of frames) {
    t.history.append({ t: at, type: 'player.got', client: label, stream: '', ...item });
  }
  t.step('segment', {
    client: label,
    sequence: segment.sequence,
    uri: segment.uri,
    duration: segment.duration,
    discontinuity: segment.discontinuity,
    status: answer.status,
    broken: answer.error,
    bytes: answer.bytes,
    ...facts,
    frames: frames.length,
    shownAt: shownAt.join(' '),
    audio: audio.map(({ size, sum, at }) => `${size}:${sum}:${Number.isNaN(at) ? '' : at}`).join(' '),
  });
}

/** Loads a playlist once, through a master playlist if there is one; undefined where there is none that can be read. */
export async function loadPlaylist(
  t: CheckContext,
  url: string,
  label: string,
  localAddress: string,
): Promise<MediaPlaylist | undefined> {
  let at = url;
  for (let masters = 0; masters <= MAX_MASTERS; masters++) {
    const answer = await t.http(at, { label, localAddress });
    const playlist = answer.status === 200 ? readPlaylist(t, label, answer.body) : undefined;
    if (playlist?.kind !== 'master') return playlist;
    const variant = playlist.variants[0];
    if (variant === undefined) return undefined;
    at = new URL(variant.uri, at).href;
  }
  return undefined;
}

function readPlaylist(t: CheckContext, client: string, body: Uint8Array): Playlist | undefined {
  try {
    return parsePlaylist(new TextDecoder().decode(body));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    t.step('playlist-unreadable', { client, code: error.code });
    return undefined;
  }
}

export function durationMs({ segments }: MediaPlaylist): number {
  return segments.reduce((sum, { duration }) => sum + duration * 1000, 0);
}
