/** Packets that wait for their turn, by sequence number. */
import type { PacketPool } from './packet-pool.ts';
import { SEQUENCE_MASK, sequenceDistance } from './sequence.ts';

/** What became of a packet that was put in. */
export const Insertion = { stored: 0, duplicate: 1, belated: 2, beyond: 3 } as const;
export type Insertion = (typeof Insertion)[keyof typeof Insertion];

const Mark = { missing: 0, held: 1, delivered: 2, dropped: 3 } as const;

const START_CAPACITY = 32;

/** A ring that grows to what latency and rate need, up to its limit; then nothing is allocated per packet. */
export class ReceiveBuffer {
  /** The number that is delivered or dropped next. */
  first: number;
  /** One after the highest that has come. */
  end: number;
  private packets: (Uint8Array | undefined)[];
  private marks: Uint8Array;
  private mask: number;
  private readonly limit: number;
  private readonly pool: PacketPool | undefined;

  /**
   * @param limit capacity in packets, rounded up to a power of two.
   * @param pool where copies of packets are held; left out, the packets themselves are.
   */
  constructor(initialSequence: number, limit: number, pool?: PacketPool) {
    this.pool = pool;
    this.first = initialSequence;
    this.end = initialSequence;
    this.limit = 2 ** Math.ceil(Math.log2(Math.max(limit, START_CAPACITY)));
    this.packets = new Array(START_CAPACITY).fill(undefined);
    this.marks = new Uint8Array(START_CAPACITY);
    this.mask = START_CAPACITY - 1;
  }

  /** From `first` to `end`, missing ones included. */
  get span(): number {
    return sequenceDistance(this.first, this.end);
  }

  get free(): number {
    return this.limit - this.span;
  }

  /** The packet, or a copy of it, is kept until it is delivered or dropped. */
  insert(sequence: number, packet: Uint8Array): Insertion {
    const ahead = sequenceDistance(this.first, sequence);
    if (ahead < 0) return this.past(sequence);
    if (ahead >= this.limit) return Insertion.beyond;
    if (ahead > this.mask) this.grow(ahead);
    const slot = sequence & this.mask;
    if (sequenceDistance(this.end, sequence) >= 0) {
      for (let gap = this.end; gap !== sequence; gap = (gap + 1) & SEQUENCE_MASK)
        this.marks[gap & this.mask] = Mark.missing;
      this.end = (sequence + 1) & SEQUENCE_MASK;
    } else if (this.marks[slot] === Mark.held) {
      return Insertion.duplicate;
    } else if (this.marks[slot] === Mark.dropped) {
      return Insertion.belated;
    }
    this.marks[slot] = Mark.held;
    this.packets[slot] = this.pool === undefined ? packet : this.pool.copy(packet);
    return Insertion.stored;
  }

  /** The packet at `first`; undefined when it is missing or nothing is held. */
  head(): Uint8Array | undefined {
    return this.packets[this.first & this.mask];
  }

  /** Call after `head` gave a packet, which is the caller's then, to be given back by `release`. */
  shift(): void {
    const slot = this.first & this.mask;
    this.packets[slot] = undefined;
    this.marks[slot] = Mark.delivered;
    this.first = (this.first + 1) & SEQUENCE_MASK;
  }

  /** The packet that was taken out is of no more use. */
  release(packet: Uint8Array): void {
    this.pool?.release(packet);
  }

  /** The first packet that is held at or after `from`; undefined when there is none. */
  next(from: number): Uint8Array | undefined {
    for (let at = from; sequenceDistance(at, this.end) > 0; at = (at + 1) & SEQUENCE_MASK) {
      const packet = this.packets[at & this.mask];
      if (packet !== undefined) return packet;
    }
    return undefined;
  }

  /** Gives up the missing ones before the next that is held. Returns how many. */
  skip(): number {
    let skipped = 0;
    while (this.first !== this.end && this.packets[this.first & this.mask] === undefined) {
      this.marks[this.first & this.mask] = Mark.dropped;
      this.first = (this.first + 1) & SEQUENCE_MASK;
      skipped++;
    }
    return skipped;
  }

  /** What is missing of first to last will not come. Numbers beyond all that came count as come. */
  giveUp(first: number, last: number): void {
    if (sequenceDistance(this.first, first) < 0) first = this.first;
    if (sequenceDistance(this.first, last) >= this.limit || sequenceDistance(first, last) < 0) return;
    if (sequenceDistance(this.first, last) > this.mask) this.grow(sequenceDistance(this.first, last));
    for (; sequenceDistance(this.end, last) >= 0; this.end = (this.end + 1) & SEQUENCE_MASK) {
      this.marks[this.end & this.mask] = Mark.missing;
    }
    for (let at = first; sequenceDistance(at, last) >= 0; at = (at + 1) & SEQUENCE_MASK) {
      const slot = at & this.mask;
      if (this.marks[slot] === Mark.missing) this.marks[slot] = Mark.dropped;
    }
  }

  /** Forgets everything and goes on at `sequence`. */
  restart(sequence: number): void {
    if (this.pool !== undefined) {
      for (const packet of this.packets) if (packet !== undefined) this.pool.release(packet);
    }
    this.packets.fill(undefined);
    this.marks.fill(Mark.dropped);
    this.first = sequence;
    this.end = sequence;
  }

  private past(sequence: number): Insertion {
    const known = sequenceDistance(sequence, this.end) <= this.mask + 1;
    return known && this.marks[sequence & this.mask] === Mark.delivered
      ? Insertion.duplicate
      : Insertion.belated;
  }

  private grow(ahead: number): void {
    const capacity = 2 ** Math.ceil(Math.log2(ahead + 1));
    const packets: (Uint8Array | undefined)[] = new Array(capacity).fill(undefined);
    const marks = new Uint8Array(capacity).fill(Mark.dropped);
    const from = this.end - this.mask - 1;
    for (let count = 0; count <= this.mask; count++) {
      const at = (from + count) & SEQUENCE_MASK;
      packets[at & (capacity - 1)] = this.packets[at & this.mask];
      marks[at & (capacity - 1)] = this.marks[at & this.mask]!;
    }
    this.packets = packets;
    this.marks = marks;
    this.mask = capacity - 1;
  }
}
