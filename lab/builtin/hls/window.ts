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

/** Mutants: after how many segments the sequence begins anew, how many segments a jump is apart, and how late is late. */
const RESET_AFTER = 5;
const JUMP_EVERY = 3;
const LATE_BY = 2;

export class SegmentWindow {
  readonly #settings: HlsSettings;
  readonly #mutants: Mutants;
  #segments: Segment[] = [];

  constructor(settings: HlsSettings, mutants: Mutants) {
    this.#settings = settings;
    this.#mutants = mutants;
  }

  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /**
   * Keeps the shortest tail that is longer than the window.
   * @returns the segments that are in it no longer.
   */
  add(segment: Segment): Segment[] {
    this.#segments.push(segment);
    return this.#segments.splice(0, this.#expired());
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
