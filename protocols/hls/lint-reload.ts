import type { ByteRange, MediaPlaylist, MediaSegment } from './playlist.ts';
import { type Violation, Violations } from './violations.ts';

/**
 * What a server may not do between two loads of a media playlist (RFC 8216 sections 4.3.3 and 6.2). `previous` was
 * loaded before `next`, from the same server. Lines are 0: it is the playlist as a whole.
 */
export function lintReload(previous: MediaPlaylist, next: MediaPlaylist): Violation[] {
  const found = new Violations();
  if (next.targetDuration !== previous.targetDuration) {
    const says = `the target duration changed from ${previous.targetDuration} to ${next.targetDuration}`;
    found.must(0, 'target-duration-changed', '4.3.3.1', says);
  }
  if (next.playlistType !== previous.playlistType) {
    const says = `the playlist type changed from ${previous.playlistType} to ${next.playlistType}`;
    found.must(0, 'playlist-type-changed', '6.2.1', says);
  }
  lintSequence(previous, next, found);
  lintSegments(previous, next, found);
  lintWindow(previous, next, found);
  lintEnd(previous, next, found);
  return found.list;
}

function lintSequence(previous: MediaPlaylist, next: MediaPlaylist, found: Violations): void {
  if (next.mediaSequence < previous.mediaSequence) {
    const says = `the media sequence went back from ${previous.mediaSequence} to ${next.mediaSequence}`;
    found.must(0, 'sequence-backwards', '6.2.2', says);
  }
  if (next.discontinuitySequence < previous.discontinuitySequence) {
    const says = `the discontinuity sequence went back from ${previous.discontinuitySequence} to ${next.discontinuitySequence}`;
    found.must(0, 'discontinuity-sequence-backwards', '6.2.2', says);
  }
}

function lintSegments(previous: MediaPlaylist, next: MediaPlaylist, found: Violations): void {
  const before = previous.segments;
  const after = next.segments;
  const oldLast = before.at(-1)?.sequence;
  const newLast = after.at(-1)?.sequence ?? next.mediaSequence - 1;
  if (oldLast !== undefined && newLast < oldLast) {
    const says = `segments up to ${oldLast} were listed, now only up to ${newLast}`;
    found.must(0, 'segment-removed', '6.2.2', says);
  }
  const first = before[0]?.sequence ?? 0;
  let renumbered = false;
  for (const segment of after) {
    const old = before[segment.sequence - first];
    if (!old) continue;
    const change = changeOf(old, segment);
    if (change) found.must(0, 'segment-changed', '6.2.2', `segment ${segment.sequence}: ${change}`);
    else if (old.discontinuitySequence !== segment.discontinuitySequence && !renumbered) {
      renumbered = true;
      const says = `segment ${segment.sequence} had discontinuity sequence number ${old.discontinuitySequence}, now ${segment.discontinuitySequence}`;
      found.must(0, 'discontinuity-sequence-changed', '6.2.2', says);
    }
  }
}

function changeOf(old: MediaSegment, segment: MediaSegment): string | undefined {
  if (old.uri !== segment.uri) return `its URI was ${old.uri}, now ${segment.uri}`;
  if (old.duration !== segment.duration) return `its duration was ${old.duration}, now ${segment.duration}`;
  if (!sameRange(old.byteRange, segment.byteRange)) return 'its byte range changed';
  if (old.discontinuity !== segment.discontinuity) {
    return `its EXT-X-DISCONTINUITY ${segment.discontinuity ? 'came' : 'went'}`;
  }
  return undefined;
}

function sameRange(a: ByteRange | undefined, b: ByteRange | undefined): boolean {
  return a?.length === b?.length && a?.offset === b?.offset;
}

/** Removal is from the front, never of an EVENT or VOD, and leaves three target durations. */
function lintWindow(previous: MediaPlaylist, next: MediaPlaylist, found: Violations): void {
  if (next.mediaSequence <= previous.mediaSequence) return;
  if (previous.playlistType !== undefined) {
    found.must(
      0,
      'event-removed',
      '4.3.3.5',
      `segments of a playlist of type ${previous.playlistType} are gone`,
    );
  }
  const total = next.segments.reduce((sum, { duration }) => sum + duration, 0);
  if (!next.endList && total < 3 * next.targetDuration) {
    const says = `segments were removed, and ${total.toFixed(3)} s are left: less than 3 target durations`;
    found.must(0, 'window-short', '6.2.2', says);
  }
}

function lintEnd(previous: MediaPlaylist, next: MediaPlaylist, found: Violations): void {
  if (!previous.endList) return;
  if (!next.endList) found.must(0, 'end-list-removed', '6.2.1', 'EXT-X-ENDLIST is gone');
  if ((next.segments.at(-1)?.sequence ?? -1) > (previous.segments.at(-1)?.sequence ?? -1)) {
    found.must(0, 'end-list-followed', '4.3.3.4', 'segments were added after EXT-X-ENDLIST');
  }
}
