/** When to reload a media playlist and where to play (RFC 8216 sections 6.3.3 and 6.3.4). Pure rules, no clock. */
import type { MediaPlaylist, MediaSegment } from './playlist.ts';

/**
 * Milliseconds from the beginning of one load to the earliest next one: the target duration when the playlist
 * had changed, half of it when it had not. Infinity once it has EXT-X-ENDLIST. Never below 100 ms, so that a
 * server's target duration of zero is no request loop.
 */
export function reloadDelayMs(playlist: MediaPlaylist, changed: boolean): number {
  if (playlist.endList) return Number.POSITIVE_INFINITY;
  return Math.max(100, playlist.targetDuration * (changed ? 1000 : 500));
}

/** Whether a reload brought anything: a segment, a part, the end, or other sequence numbers. */
export function hasChanged(previous: MediaPlaylist, next: MediaPlaylist): boolean {
  return (
    previous.mediaSequence !== next.mediaSequence ||
    previous.segments.length !== next.segments.length ||
    previous.endList !== next.endList ||
    previous.parts.length !== next.parts.length ||
    previous.segments.at(-1)?.uri !== next.segments.at(-1)?.uri
  );
}

export const StartMode = { ThreeSegments: '3-segments', LiveEdge: 'live-edge' } as const;
export type StartMode = (typeof StartMode)[keyof typeof StartMode];

/**
 * Media sequence number to begin with. A playlist with EXT-X-ENDLIST, or of type EVENT or VOD, begins at its
 * beginning. Of a live one, `3-segments` is the last segment that begins at least three target durations before
 * the end (section 6.3.3), `live-edge` the last one; in a playlist that is shorter, its first segment. Segments
 * marked as gaps are begun with only when there is nothing else. Of an empty playlist, the number its first
 * segment will have.
 */
export function startSequence(playlist: MediaPlaylist, mode: StartMode): number {
  const { segments } = playlist;
  const last = segments.length - 1;
  if (last < 0) return playlist.mediaSequence;
  let index = 0;
  if (!playlist.endList && playlist.playlistType === undefined) {
    index = last;
    if (mode === StartMode.ThreeSegments) {
      const wanted = 3 * playlist.targetDuration;
      let behind = segments[index]!.duration;
      while (index > 0 && behind < wanted) behind += segments[--index]!.duration;
    }
  }
  const playable = segments.findIndex((segment, at) => at >= index && !segment.gap);
  return segments[playable < 0 ? index : playable]!.sequence;
}

export interface NextSegment {
  /** `undefined` when it is not in the playlist yet. */
  readonly segment: MediaSegment | undefined;
  /** How many segments are gone between the last one played and this one: removed before they were played. */
  readonly skipped: number;
}

/** The segment after media sequence number `last`, in a playlist that may have moved on. */
export function nextSegment(playlist: MediaPlaylist, last: number): NextSegment {
  const first = playlist.segments[0];
  if (!first) return { segment: undefined, skipped: 0 };
  const index = last + 1 - first.sequence;
  if (index < 0) return { segment: first, skipped: -index };
  return { segment: playlist.segments[index], skipped: 0 };
}
