/** Copies of packets in memory that is used again and again, for those who hold thousands of packets for a while. */

/** Longest packet that has a place here: an Ethernet frame's. */
const MAX_SIZE = 1500;

/**
 * A datagram that is kept until it is played outlives the garbage collector's first looks: it is copied twice and freed
 * late. A copy in memory that is there already costs less than that, and the datagram dies young.
 */
export class PacketPool {
  readonly #limit: number;
  readonly #free: (Uint8Array[] | undefined)[] = new Array(MAX_SIZE + 1).fill(undefined);
  #freeBytes = 0;

  /** @param limit bytes that are kept for later at the most; more are left to the garbage collector. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** A copy, to be given back by `release`. */
  copy(packet: Uint8Array): Uint8Array {
    const { length } = packet;
    const free = this.#free[length]?.pop();
    if (free !== undefined) this.#freeBytes -= length;
    const bytes = free ?? new Uint8Array(length);
    bytes.set(packet);
    return bytes;
  }

  /** Once for each copy, which is of no more use to the caller then. */
  release(bytes: Uint8Array): void {
    const { length } = bytes;
    if (length > MAX_SIZE || this.#freeBytes + length > this.#limit) return;
    this.#freeBytes += length;
    const free = this.#free[length];
    if (free === undefined) this.#free[length] = [bytes];
    else free.push(bytes);
  }
}
