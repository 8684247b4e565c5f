/** Packets that were sent, or wait to be, until they are acknowledged or given up. */
import { SEQUENCE_MASK, sequenceDistance } from './sequence.ts';

const START_CAPACITY = 16;

/** A ring of whole datagrams, from `first` (not acknowledged) over `next` (not sent) to `end`. */
export class SendBuffer {
  first: number;
  next: number;
  end: number;
  /** Bytes between `next` and `end`. */
  unsentBytes = 0;
  private packets: (Uint8Array | undefined)[] = new Array(START_CAPACITY).fill(undefined);
  /** When each was made, and when it was sent again, in ms. */
  private madeAt = new Float64Array(START_CAPACITY);
  private resentAt = new Float64Array(START_CAPACITY);
  private mask = START_CAPACITY - 1;
  private readonly limit: number;

  /** @param limit capacity in packets, rounded up to a power of two. */
  constructor(initialSequence: number, limit: number) {
    this.first = initialSequence;
    this.next = initialSequence;
    this.end = initialSequence;
    this.limit = 2 ** Math.ceil(Math.log2(Math.max(limit, START_CAPACITY)));
  }

  /** Sent and not acknowledged. */
  get inFlight(): number {
    return sequenceDistance(this.first, this.next);
  }

  get unsent(): number {
    return sequenceDistance(this.next, this.end);
  }

  get full(): boolean {
    return sequenceDistance(this.first, this.end) >= this.limit;
  }

  /** Takes the packet whose number is `end`. Not when full. */
  push(packet: Uint8Array, now: number): void {
    const size = sequenceDistance(this.first, this.end);
    if (size > this.mask) this.grow();
    const slot = this.end & this.mask;
    this.packets[slot] = packet;
    this.madeAt[slot] = now;
    this.resentAt[slot] = Number.NEGATIVE_INFINITY;
    this.unsentBytes += packet.length;
    this.end = (this.end + 1) & SEQUENCE_MASK;
  }

  /** The packet at `next`, which then counts as sent. Not when nothing is unsent. */
  takeNext(): Uint8Array {
    const packet = this.packets[this.next & this.mask]!;
    this.unsentBytes -= packet.length;
    this.next = (this.next + 1) & SEQUENCE_MASK;
    return packet;
  }

  /** One that was sent; undefined when it is not here any more. */
  sent(sequence: number): Uint8Array | undefined {
    if (sequenceDistance(this.first, sequence) < 0 || sequenceDistance(sequence, this.next) <= 0)
      return undefined;
    return this.packets[sequence & this.mask];
  }

  resentTime(sequence: number): number {
    return this.resentAt[sequence & this.mask]!;
  }

  setResent(sequence: number, now: number): void {
    this.resentAt[sequence & this.mask] = now;
  }

  /** Of the oldest; Infinity when there is none. */
  get oldest(): number {
    return this.first === this.end ? Number.POSITIVE_INFINITY : this.madeAt[this.first & this.mask]!;
  }

  /** Lets go of all before `sequence`, sent or not. */
  releaseBefore(sequence: number): void {
    while (sequenceDistance(this.first, sequence) > 0 && this.first !== this.end) {
      const slot = this.first & this.mask;
      if (this.first === this.next) this.takeNext();
      this.packets[slot] = undefined;
      this.first = (this.first + 1) & SEQUENCE_MASK;
    }
  }

  private grow(): void {
    const capacity = 2 * (this.mask + 1);
    const packets: (Uint8Array | undefined)[] = new Array(capacity).fill(undefined);
    const madeAt = new Float64Array(capacity);
    const resentAt = new Float64Array(capacity);
    for (let at = this.first; at !== this.end; at = (at + 1) & SEQUENCE_MASK) {
      const slot = at & (capacity - 1);
      packets[slot] = this.packets[at & this.mask];
      madeAt[slot] = this.madeAt[at & this.mask]!;
      resentAt[slot] = this.resentAt[at & this.mask]!;
    }
    this.packets = packets;
    this.madeAt = madeAt;
    this.resentAt = resentAt;
    this.mask = capacity - 1;
  }
}
