/** The sliding window against replayed packets (RFC 3711 section 3.3.2; RFC 6347 section 4.1.2.6). */

/** At least 64 by both specifications. */
const SIZE = 256;

export class ReplayWindow {
  /** The highest index that was accepted; -1 before the first. */
  highest = -1;
  readonly #size: number;
  readonly #seen: Uint32Array;

  /** @param size in indices, a power of two from 32 on. */
  constructor(size = SIZE) {
    this.#size = size;
    this.#seen = new Uint32Array(size / 32);
  }

  /** Whether it is new and not too old. Asked before a packet is authenticated. */
  isNew(index: number): boolean {
    if (index > this.highest) return true;
    if (index <= this.highest - this.#size) return false;
    return ((this.#seen[(index & (this.#size - 1)) >> 5]! >> (index & 31)) & 1) === 0;
  }

  /** Said after it was found genuine. */
  accept(index: number): void {
    const seen = this.#seen;
    const last = this.#size - 1;
    if (index > this.highest) {
      if (index - this.highest > last) seen.fill(0);
      else {
        for (let at = this.highest + 1; at < index; at++) seen[(at & last) >> 5]! &= ~(1 << (at & 31));
      }
      this.highest = index;
    }
    seen[(index & last) >> 5]! |= 1 << (index & 31);
  }
}
