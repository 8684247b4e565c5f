/** The segments that a playlist lists, and its text (facts/srs.md 6.1, 6.2). */
import { targetDurationOf, writeMediaPlaylist } from '../../../protocols/hls/write.ts';
import type { HlsSettings } from '../../topology.ts';
import type { Mutants } from '../mutants.ts';

export interface Segment {
  readonly sequence: number;
  /** File name, which is its URI as well. */
  readonly name: string;
  /** Seconds. */
  readonly duration: number;
  readonly discontinuity: boolean;
}

/** Mutants: after how many removed segments the sequence begins anew, how many segments a jump is apart, and how late is late. */
const RESET_AFTER = 2;
const JUMP_EVERY = 3;
const LATE_BY = 2;

export class SegmentWindow {
  readonly #settings: HlsSettings;
  readonly #mutants: Mutants;
  #segments: Segment[] = [];
  /** Not listed any more, and kept until so many seconds of the stream have passed. */
  #kept: { readonly segment: Segment; readonly until: number }[] = [];
  #elapsed = 0;
  /** Seconds of the longest playlist so far. */
  #longest = 0;
  /** EXT-X-DISCONTINUITY tags that were removed with their segments. */
  #discontinuities = 0;

  constructor(settings: HlsSettings, mutants: Mutants) {
    this.#settings = settings;
    this.#mutants = mutants;
  }

  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /**
   * Keeps the shortest tail that is longer than the window.
   * @returns the segments that need not be there any longer: a player that has an old playlist may ask for what left
   *   it for the duration of the segment and of the longest playlist that listed it (RFC 8216 6.2.2). SRS deletes at
   *   once (facts/srs.md 6.2).
   */
  add(segment: Segment): Segment[] {
    this.#segments.push(segment);
    this.#elapsed += segment.duration;
    for (const expired of this.#segments.splice(0, this.#expired())) {
      if (expired.discontinuity) this.#discontinuities++;
      this.#kept.push({ segment: expired, until: this.#elapsed + expired.duration + this.#longest });
    }
    const total = this.#segments.reduce((sum, { duration }) => sum + duration, 0);
    this.#longest = Math.max(this.#longest, total);
    const over = this.#kept.filter(({ until }) => until <= this.#elapsed).map(({ segment }) => segment);
    this.#kept = this.#kept.filter(({ until }) => until > this.#elapsed);
    return over;
  }

  #expired(): number {
    if (this.#mutants.has('hls-window-grows')) return 0;
    if (this.#mutants.has('hls-window-too-short')) return this.#segments.length - 1;
    let tail = 0;
    for (let at = this.#segments.length - 1; at > 0; at--) {
      tail += this.#segments[at]!.duration;
      if (tail > this.#settings.windowSeconds) return at;
    }
    return 0;
  }

  /** Undefined while there is nothing to list. */
  playlist(): string | undefined {
    const late = this.#mutants.has('hls-late-playlist') ? LATE_BY : 0;
    const segments = this.#segments.slice(0, this.#segments.length - late);
    const first = segments[0];
    if (!first) return undefined;
    const target = targetDurationOf(segments, this.#settings.fragmentSeconds);
    const text = writeMediaPlaylist({
      targetDuration: this.#mutants.has('hls-target-too-small') ? target - 1 : target,
      mediaSequence: this.#mediaSequence(first, segments.at(-1)!),
      // Without it the discontinuities that are still listed would count from 0 again (RFC 8216 6.2.2).
      ...(this.#discontinuities > 0 && !this.#mutants.has('hls-discontinuity-missing')
        ? { discontinuitySequence: this.#discontinuities }
        : {}),
      segments: segments.map(({ name, duration, discontinuity }) => ({
        uri: name,
        duration,
        discontinuity: discontinuity && !this.#mutants.has('hls-discontinuity-missing'),
      })),
    });
    if (!this.#mutants.has('hls-bad-grammar')) return text;
    return text.replace(/^#EXT-X-TARGETDURATION:.*\n/m, '').replaceAll(', no desc', '');
  }

  #mediaSequence(first: Segment, last: Segment): number {
    if (this.#mutants.has('hls-sequence-resets')) return first.sequence % RESET_AFTER;
    if (this.#mutants.has('hls-sequence-jumps'))
      return first.sequence + Math.floor(last.sequence / JUMP_EVERY);
    return first.sequence;
  }
}
