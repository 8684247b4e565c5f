/**
 * A viewer's player without a screen: one virtual buffer, filled by the timestamps of the frames that arrive and
 * emptied by the clock. Startup, stalls and rebuffering in the words of CTA-2066. Nothing ticks: what happened
 * between two frames is worked out when the second one arrives, so that a model costs a few additions per frame.
 */

/**
 * Media that must be buffered before the player starts, and starts again after a stall. VLC waits for this much
 * (network-caching) and SRS's own edge asks for this much (SetBufferLength, facts/srs.md 1.3); it also is more than
 * the 700 ms by which two hops of merged writing at SRS's default of 350 ms (7.3) may hold a frame back, so that a
 * healthy edge cluster does not stall by design.
 */
export const START_THRESHOLD_MS = 1000;

/**
 * A step between two frames above this, or backwards by more than this, is a new timeline (a publisher that came
 * back, a queue that was dropped): it is joined to the old one by one frame's time. Twice the longest GOP-to-GOP
 * audio and video gap is far below it, and SRS's own jitter corrector already takes 250 ms for a jump (7.4).
 */
export const DISCONTINUITY_MS = 1000;

/** Frame time across a discontinuity: 25 frames per second. */
const JOINT_MS = 40;

export const PlaybackState = { starting: 0, playing: 1, stalled: 2, finished: 3 } as const;
export type PlaybackState = (typeof PlaybackState)[keyof typeof PlaybackState];

/** Plain fields: this is written for every frame of every client. */
export class PlayerModel {
  readonly threshold: number;
  state: PlaybackState = PlaybackState.starting;
  /** When the first frame was shown, epoch ms; NaN until then. */
  shownAt = Number.NaN;
  stalls = 0;
  /** Of stalls that are over (or that `finish` ended). */
  stalledMs = 0;
  discontinuities = 0;
  /** How long the picture had stood still when it was finished. */
  #stillMs = 0;

  /** Timestamp of the latest frame, as on the wire. */
  #timestamp = 0;
  #started = false;
  /** Media that came in since the first frame, on one joined timeline. */
  #media = 0;
  /** Playing: the buffer is empty when the clock reads this. Stalled: when it became empty. */
  #emptyAt = 0;
  /** Media time at the playhead while it does not move. */
  #playhead = 0;

  constructor(threshold: number = START_THRESHOLD_MS) {
    this.threshold = threshold;
  }

  /**
   * A complete video frame.
   * @param timestamp DTS in ms, 32 bit, wraps.
   * @param now epoch ms.
   * @returns true when this frame starts or restarts the picture.
   */
  frame(timestamp: number, now: number): boolean {
    if (!this.#started) {
      this.#started = true;
      this.#timestamp = timestamp;
      this.#media = 0;
      return this.#resume(now);
    }
    let step = (timestamp - this.#timestamp) | 0;
    if (step > DISCONTINUITY_MS || step < -DISCONTINUITY_MS) {
      this.discontinuities++;
      step = JOINT_MS;
    } else if (step < 0) {
      return false;
    }
    this.#timestamp = timestamp;
    this.#media += step;
    if (this.state === PlaybackState.playing) {
      if (now <= this.#emptyAt) {
        this.#emptyAt += step;
        return false;
      }
      this.state = PlaybackState.stalled;
      this.stalls++;
      this.#playhead = this.#media - step;
    }
    return this.#resume(now);
  }

  #resume(now: number): boolean {
    if (this.state === PlaybackState.finished || this.#media - this.#playhead < this.threshold) return false;
    if (this.state === PlaybackState.stalled) this.stalledMs += now - this.#emptyAt;
    else this.shownAt = now;
    this.state = PlaybackState.playing;
    this.#emptyAt = now + this.#media - this.#playhead;
    return true;
  }

  /** Time in stalls up to now, one that is going on included. */
  stalledUntil(now: number): number {
    if (this.state === PlaybackState.finished) return this.stalledMs;
    if (this.state === PlaybackState.stalled) return this.stalledMs + now - this.#emptyAt;
    if (this.state === PlaybackState.playing && now > this.#emptyAt)
      return this.stalledMs + now - this.#emptyAt;
    return this.stalledMs;
  }

  /** How long the picture has stood still at `now`; 0 while it moves, and before the first one. */
  stillFor(now: number): number {
    if (this.state === PlaybackState.finished) return this.#stillMs;
    if (this.state === PlaybackState.starting) return 0;
    return Math.max(0, now - this.#emptyAt);
  }

  /** Stalls up to now, one that is going on but that no frame has revealed included. */
  stallsUntil(now: number): number {
    return this.state === PlaybackState.playing && now > this.#emptyAt ? this.stalls + 1 : this.stalls;
  }

  /** The viewer leaves (or the measurement ends). A buffer that ran dry before is a stall until `now`. Idempotent. */
  finish(now: number): void {
    this.#stillMs = this.stillFor(now);
    this.stalls = this.stallsUntil(now);
    this.stalledMs = this.stalledUntil(now);
    this.state = PlaybackState.finished;
  }

  /** From the first picture to `now`, in ms: played and stalled. */
  watchedUntil(now: number): number {
    return Number.isNaN(this.shownAt) ? 0 : now - this.shownAt;
  }
}
