/** What judges of HLS read out of a history. Pure. */
import { ProtocolError } from '../../protocols/errors.ts';
import { parsePlaylist } from '../../protocols/hls/parse.ts';
import type { MasterPlaylist, MediaPlaylist, Playlist } from '../../protocols/hls/playlist.ts';
import type { Judgement } from '../check.ts';
import type { EventOf, History } from '../history.ts';
import { failed, inconclusive, judged, notSeen, words } from '../judging.ts';
import type { AudioFrame } from '../wire/segment.ts';

/** The entries whose stream was followed. */
export function watchedOf(history: History): string[] {
  return words(history.step('watched')?.nodes);
}

/** Those that serve a media node's own files, without a cache between. */
export function directOf(history: History): string[] {
  return words(history.step('watched')?.direct);
}

export interface Loaded {
  /** It was there. */
  readonly t: number;
  /** It was asked for. */
  readonly sentAt: number;
  readonly text: string;
  readonly playlist: MediaPlaylist;
}

/** Media playlists of a client, in the order of its requests; those that cannot be parsed are left out. */
export function loadedBy(history: History, client: string): Loaded[] {
  const loaded: Loaded[] = [];
  for (const event of history.of('hls.playlist')) {
    if (event.client !== client || event.kind !== 'media') continue;
    const playlist = mediaPlaylist(event.text);
    if (playlist !== undefined) loaded.push({ ...event, playlist });
  }
  return loaded;
}

/** The same without those that equal the one before them. */
export function versionsOf(loaded: readonly Loaded[]): Loaded[] {
  return loaded.filter(({ text }, i) => text !== loaded[i - 1]?.text);
}

/** Undefined when it is none that can be parsed. */
export function mediaPlaylist(text: string): MediaPlaylist | undefined {
  const playlist = parsed(text);
  return playlist?.kind === 'media' ? playlist : undefined;
}

/** Undefined when it is none that can be parsed. */
export function masterPlaylist(text: string): MasterPlaylist | undefined {
  const playlist = parsed(text);
  return playlist?.kind === 'master' ? playlist : undefined;
}

function parsed(text: string): Playlist | undefined {
  try {
    return parsePlaylist(text);
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

/** A segment as it was fetched when it was listed first. */
export interface FetchedSegment {
  readonly t: number;
  readonly client: string;
  readonly sequence: number;
  readonly uri: string;
  /** Seconds, of its EXTINF. */
  readonly duration: number;
  readonly discontinuity: boolean;
  readonly status: number;
  readonly bytes: number;
  readonly packets: number;
  /** Of its transfer or of its packets; null when it is whole. */
  readonly error: string | null;
  readonly tablesFirst: boolean;
  readonly keyFirst: boolean;
  readonly breaks: number;
  readonly first: ReadonlyMap<string, number>;
  readonly last: ReadonlyMap<string, number>;
  readonly audio: readonly AudioFrame[];
  /** See SegmentSeen. */
  readonly streams: string;
  readonly adts: string;
  readonly clocked: boolean;
  readonly parameterSets: boolean;
  readonly shownAt: readonly number[];
  readonly frames: readonly EventOf<'player.got'>[];
}

/** In the order in which they were listed. */
export function segmentsOf(history: History, client: string): FetchedSegment[] {
  const segments: FetchedSegment[] = [];
  let frames: EventOf<'player.got'>[] = [];
  for (const event of history.events) {
    if (event.type === 'player.got' && event.client === client) frames.push(event);
    if (event.type !== 'step' || event.step !== 'segment' || event.data.client !== client) continue;
    const { data, t } = event;
    segments.push({
      t,
      client,
      sequence: Number(data.sequence),
      uri: String(data.uri),
      duration: Number(data.duration),
      discontinuity: data.discontinuity === true,
      status: Number(data.status),
      bytes: Number(data.bytes),
      packets: Number(data.packets),
      error: textOf(data.broken) ?? textOf(data.error),
      tablesFirst: data.tablesFirst === true,
      keyFirst: data.keyFirst === true,
      breaks: Number(data.breaks),
      first: countersOf(data.firstCounters),
      last: countersOf(data.lastCounters),
      audio: words(data.audio).map(audioFrameOf),
      streams: String(data.streams ?? ''),
      adts: String(data.adts ?? ''),
      clocked: data.clocked === true,
      parameterSets: data.parameterSets === true,
      shownAt: words(data.shownAt).map(Number),
      frames,
    });
    frames = [];
  }
  return segments;
}

function audioFrameOf(word: string): AudioFrame {
  const [size, sum, at] = word.split(':');
  return { size: Number(size), sum: Number(sum), at: at ? Number(at) : Number.NaN };
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function countersOf(value: Parameters<typeof words>[0]): ReadonlyMap<string, number> {
  return new Map(
    words(value).map((word) => {
      const [pid, counter] = word.split(':');
      return [pid!, Number(counter)];
    }),
  );
}

/** When the first frame of a publisher went out. */
export function firstSentAt(history: History, publisher: string): number | undefined {
  return history.sent(publisher).find(({ kind }) => kind === 'video')?.t;
}

export function stepAt(history: History, step: string): number | undefined {
  return history.of('step').findLast((event) => event.step === step)?.t;
}

/** Some of many, so that a finding stays readable. */
const TOLD = 4;

export function told(what: readonly string[]): string {
  const more = what.length > TOLD ? `, and ${what.length - TOLD} more` : '';
  return what.slice(0, TOLD).join('; ') + more;
}

/** A judgement over everything that was looked at: what is wrong, in words; nothing looked at proves nothing. */
export function allOf(expected: string, looked: number, wrong: readonly string[], seen: string): Judgement {
  if (wrong.length > 0) return failed(expected, told(wrong));
  if (looked === 0) return inconclusive(expected, `nothing: ${seen}`);
  return judged(true, expected, seen);
}

/**
 * For every entry that was followed, what `judge` says. An entry at which a stream was published and no playlist ever
 * came is a failure of every requirement about playlists.
 */
export function forWatched(
  history: History,
  nodes: readonly string[],
  judge: (node: string, loaded: readonly Loaded[]) => Judgement[],
): Judgement[] {
  if (nodes.length === 0) return [notSeen(history, 'entries that serve HLS')];
  const published = history.step('published') !== undefined;
  const isOver = history.step('watched-to-end') !== undefined;
  return nodes.flatMap((node) => {
    const loaded = loadedBy(history, node);
    if (loaded.length > 0) return judge(node, loaded);
    const expected = `${node}: a media playlist of the stream`;
    return [published && isOver ? failed(expected, 'none came') : notSeen(history, expected)];
  });
}
