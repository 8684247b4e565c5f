/** The sliding window against replayed packets (RFC 3711 section 3.3.2; RFC 6347 section 4.1.2.6). */

/** At least 64 by both specifications; retransmissions come later than reordered packets do. */
const SIZE = 256;

export class ReplayWindow {
  /** The highest index that was accepted; -1 before the first. */
  highest = -1;
  readonly #seen = new Uint32Array(SIZE / 32);

  /** Whether it is new and not too old. Asked before a packet is authenticated. */
  isNew(index: number): boolean {
    if (index > this.highest) return true;
    if (index <= this.highest - SIZE) return false;
    return ((this.#seen[(index & (SIZE - 1)) >> 5]! >> (index & 31)) & 1) === 0;
  }

  /** Said after it was found genuine. */
  accept(index: number): void {
    const seen = this.#seen;
    if (index > this.highest) {
      if (index - this.highest >= SIZE) seen.fill(0);
      else {
        for (let at = this.highest + 1; at < index; at++) seen[(at & (SIZE - 1)) >> 5]! &= ~(1 << (at & 31));
      }
      this.highest = index;
    }
    seen[(index & (SIZE - 1)) >> 5]! |= 1 << (index & 31);
  }
}
