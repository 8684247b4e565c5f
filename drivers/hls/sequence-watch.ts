/** Does a media playlist go on as it must, from one load to the next? */
import type { MediaPlaylist } from '../../protocols/hls/playlist.ts';

/** RFC 8216 section 6.2.1: a server brings a new playlist no later than this many target durations after the last one. */
const STALE_TARGETS = 1.5;
/** A playlist that stays behind what was played for so long is not an old copy of a cache but a new stream. */
const RESTART_TARGETS = 3;

export class SequenceWatch {
  #changedAt = Number.NaN;
  #age = 0;
  #stale = false;
  #behindSince = Number.NaN;

  /**
   * For how long the playlist that came has been the same at least, in ms: from the end of the load that brought it
   * first to the beginning of this one, so that a slow network or a slow generator makes no playlist old.
   */
  age(changed: boolean, sentAt: number, endAt: number): number {
    if (changed) {
      this.#changedAt = endAt;
      this.#stale = false;
    }
    this.#age = Math.max(0, sentAt - this.#changedAt);
    return this.#age;
  }

  /** Names what is wrong with `next`; staleness once until the playlist changes. */
  look(
    previous: MediaPlaylist | undefined,
    next: MediaPlaylist,
    problem: (code: string, detail: string) => void,
  ): void {
    if (previous === undefined) return;
    const bound = STALE_TARGETS * next.targetDuration * 1000;
    if (!next.endList && !this.#stale && this.#age > bound) {
      this.#stale = true;
      problem('hls.stale', `unchanged for ${Math.round(this.#age)} ms, at most ${bound} ms`);
    }
    if (next.mediaSequence < previous.mediaSequence) {
      problem(
        'hls.sequence.backwards',
        `media sequence ${next.mediaSequence} after ${previous.mediaSequence}`,
      );
      return;
    }
    const last = previous.segments.at(-1);
    const same = last === undefined ? undefined : next.segments[last.sequence - next.mediaSequence];
    if (last === undefined || same === undefined) return;
    if (withoutQuery(same.uri) !== withoutQuery(last.uri)) {
      problem('hls.segment.changed', `segment ${last.sequence} was ${last.uri} and is ${same.uri}`);
    }
  }

  /** The playlist ends before `last`, and has done so for longer than any cache may keep it. */
  restarted(playlist: MediaPlaylist, last: number | undefined, at: number): boolean {
    const end = playlist.mediaSequence + playlist.segments.length - 1;
    if (last === undefined || end >= last) {
      this.#behindSince = Number.NaN;
      return false;
    }
    if (Number.isNaN(this.#behindSince)) this.#behindSince = at;
    if (at - this.#behindSince <= RESTART_TARGETS * playlist.targetDuration * 1000) return false;
    this.#behindSince = Number.NaN;
    return true;
  }
}

/** Sessions are in the query (SRS's hls_ctx). */
function withoutQuery(uri: string): string {
  const at = uri.indexOf('?');
  return at < 0 ? uri : uri.slice(0, at);
}
