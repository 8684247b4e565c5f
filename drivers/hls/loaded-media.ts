/** How much media is loaded and not played yet. Times in ms of one clock. */
export class LoadedMedia {
  #loadedMs = 0;
  /** When the picture would have begun if it had never stood still. */
  #since = Number.NaN;

  /** Bytes of a segment come; the first ones begin the picture. */
  begin(at: number): void {
    if (Number.isNaN(this.#since)) this.#since = at;
  }

  /** A segment is there, and was played while it came. Beyond that the picture stood still. */
  add(durationMs: number, at: number): void {
    this.#loadedMs += durationMs;
    this.#since += Math.max(0, at - this.#since - this.#loadedMs);
  }

  /** 0 when the picture stands still, and before it begins. */
  ahead(now: number): number {
    return Number.isNaN(this.#since) ? 0 : Math.max(0, this.#loadedMs - (now - this.#since));
  }
}
