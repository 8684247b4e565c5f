/** One coarse timer for what all WebRTC clients of this process do at intervals. It stops when nobody is left. */

export interface Ticked {
  onTick(now: number): void;
}

export class Ticker {
  readonly #intervalMs: number;
  readonly #clock: () => number;
  readonly #members = new Set<Ticked>();
  #timer: NodeJS.Timeout | undefined;

  /** @param clock what members are told, in ms. */
  constructor(intervalMs: number, clock: () => number) {
    this.#intervalMs = intervalMs;
    this.#clock = clock;
  }

  add(member: Ticked): void {
    this.#members.add(member);
    this.#timer ??= setInterval(() => this.#tick(), this.#intervalMs);
  }

  delete(member: Ticked): void {
    this.#members.delete(member);
  }

  #tick(): void {
    const now = this.#clock();
    for (const member of this.#members) member.onTick(now);
    if (this.#members.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
