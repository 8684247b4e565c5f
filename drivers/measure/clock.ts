/**
 * Wall clock with a resolution below a millisecond, in epoch milliseconds. `performance.now()` supplies the
 * fraction; the system's clock, of which JavaScript shows whole milliseconds only, supplies the truth.
 */

/** A step of the system clock above this is a jump (set by hand, or by NTP in a step), not a drift. */
const JUMP_MS = 20;
/**
 * Between the two reads of a look: the resolution of the system's clock. Who was kept from running for longer knows less of
 * it than its truncation leaves open.
 */
const HELD_MS = 1;
/** Samples that are looked at before a drift backwards is believed: 64 x 250 ms = 16 s. */
const WINDOW = 64;

export class WallClock {
  readonly #monotonic: () => number;
  readonly #system: () => number;
  #anchor: number;
  /** Largest `system - monotonic` of the present window. */
  #highest = Number.NEGATIVE_INFINITY;
  #samples = 0;
  /** How often the system clock was set while we looked: every latency across such a moment is wrong. */
  jumps = 0;

  /**
   * @param anchor epoch ms at monotonic zero.
   * @param monotonic ms, with fraction.
   * @param system epoch ms, truncated to whole milliseconds as `Date.now()` does.
   */
  constructor(
    anchor: number = performance.timeOrigin,
    monotonic: () => number = () => performance.now(),
    system: () => number = Date.now,
  ) {
    this.#anchor = anchor;
    this.#monotonic = monotonic;
    this.#system = system;
  }

  /** Epoch milliseconds with fraction. */
  now(): number {
    return this.#anchor + this.#monotonic();
  }

  /** Epoch milliseconds of a moment that `monotonic` has told, with fraction. */
  at(monotonic: number): number {
    return this.#anchor + monotonic;
  }

  /**
   * Holds the anchor against the system's clock. As that is truncated and read first, `system - monotonic` is at most the
   * truth, and short of it by less than 1 ms and what passed between the reads: more than the anchor corrects it at once,
   * less corrects it only when a whole window agrees. Called by the process's sweep; costs three clock reads.
   */
  check(): void {
    const before = this.#monotonic();
    const system = this.#system();
    const after = this.#monotonic();
    if (after - before > HELD_MS) return;
    const sample = system - after;
    if (Math.abs(sample - this.#anchor) > JUMP_MS) {
      this.jumps++;
      this.#anchor = sample;
      this.#highest = Number.NEGATIVE_INFINITY;
      this.#samples = 0;
      return;
    }
    if (sample > this.#anchor) this.#anchor = sample;
    if (sample > this.#highest) this.#highest = sample;
    if (++this.#samples < WINDOW) return;
    this.#anchor = this.#highest;
    this.#highest = Number.NEGATIVE_INFINITY;
    this.#samples = 0;
  }
}

/** The clock of this process. */
export const wallClock = new WallClock();
