/** Of a long wait, this much is taken for time in which something could have been heard. */
const TICKS_BORNE = 2;

/**
 * Monotonic ms in which this process ran: what it stood still for, as when it was stopped, counts as two ticks at the most.
 * What nobody heard meanwhile was not silent.
 */
export class LivedTime {
  readonly #mostMs: number;
  readonly #ticker: NodeJS.Timeout;
  #lived = 0;
  #tickedAt = performance.now();

  /**
   * @param tickMs how exact it is.
   * @param ticksBorne how many of them a standstill is taken for, at the most. Default 2.
   */
  constructor(tickMs: number, ticksBorne = TICKS_BORNE) {
    this.#mostMs = ticksBorne * tickMs;
    this.#ticker = setInterval(() => this.#tick(), tickMs).unref();
  }

  now(): number {
    return this.#lived + this.#sinceTick();
  }

  close(): void {
    clearInterval(this.#ticker);
  }

  #tick(): void {
    this.#lived += this.#sinceTick();
    this.#tickedAt = performance.now();
  }

  /** Whoever is awake again hears first and ticks later. */
  #sinceTick(): number {
    return Math.min(performance.now() - this.#tickedAt, this.#mostMs);
  }
}
