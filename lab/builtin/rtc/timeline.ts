/** Media time as RTP timestamps that go on from one publication of a stream to the next. */

/** Timestamps and clock may part by this (a publisher that was paused) before they are paired anew. */
const DRIFT_MS = 200;

export class RtpTimeline {
  readonly #ticksPerMs: number;
  /** Added to media time, in ticks; modulo 2^32. */
  #base: number;
  #begins = true;
  #last = Number.NaN;
  #lastAt = Number.NaN;
  /** Timestamp of a moment: what sender reports say. */
  #anchor = { ticks: 0, at: Number.NaN };

  /** @param base of the first timestamps: RFC 3550 section 5.1 wants a random one. */
  constructor(clockRate: number, base: number) {
    this.#ticksPerMs = clockRate / 1000;
    this.#base = base;
  }

  /** What comes next is another publication, whose times have nothing to do with those before. */
  begin(): void {
    this.#begins = true;
  }

  /**
   * The timestamp, 32 bit.
   * @param media time in ticks.
   * @param now monotonic, in ms.
   */
  stamp(media: number, now: number): number {
    if (this.#begins && !Number.isNaN(this.#lastAt)) {
      const pause = Math.max(1, Math.round((now - this.#lastAt) * this.#ticksPerMs));
      this.#base = (this.#last + pause - media) % 2 ** 32;
    }
    this.#begins = false;
    const ticks = (this.#base + media) >>> 0;
    const off = Math.abs((ticks - this.#expected(now)) | 0) / this.#ticksPerMs;
    if (Number.isNaN(this.#anchor.at) || off > DRIFT_MS) this.#anchor = { ticks, at: now };
    this.#last = ticks;
    this.#lastAt = now;
    return ticks;
  }

  /** What would be sent at this moment; undefined before anything was. */
  at(now: number): number | undefined {
    return Number.isNaN(this.#anchor.at) ? undefined : this.#expected(now) >>> 0;
  }

  #expected(now: number): number {
    return this.#anchor.ticks + Math.round((now - this.#anchor.at) * this.#ticksPerMs);
  }
}
