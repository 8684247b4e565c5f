/** RTP of a publisher in the order of its sequence numbers; what is missing is asked for, for a while. */
import { Arrival, SequenceTracker } from '../../../protocols/rtp/sequence.ts';

/** After this long a missing packet is given up: a few round trips of any link, and less than players buffer. */
const PATIENCE_MS = 500;
/** Between two requests for the same packet. */
const ASK_AGAIN_MS = 50;
/** Packets that may wait behind a missing one: 4 s at 1 Mbit/s. */
const MAX_HELD = 512;
/** Missing packets that are asked for at a time. */
const MAX_ASKED = 256;

export interface ReorderEvents {
  onPacket(packet: Buffer): void;
  /** Packets before the next one never came. */
  onLost(): void;
  /** Packets are missing. @param sequences 16 bit, ascending. */
  onMissing(sequences: readonly number[]): void;
}

export class Reorder {
  readonly tracker: SequenceTracker;
  readonly #events: ReorderEvents;
  /** By extended number. */
  readonly #held = new Map<number, Buffer>();
  /** Extended number of the packet that is due; NaN before the first. */
  #next = Number.NaN;
  /** Since when it is missing. */
  #since = 0;
  #askedAt = 0;

  constructor(clockRate: number, events: ReorderEvents) {
    this.tracker = new SequenceTracker(clockRate);
    this.#events = events;
  }

  /** Packets wait for a missing one: `tick` is needed. */
  get waiting(): boolean {
    return this.#held.size > 0;
  }

  /** @param packet which is kept. @param now monotonic, in ms. */
  push(packet: Buffer, sequence: number, timestamp: number, now: number): void {
    const arrival = this.tracker.push(sequence, timestamp, now);
    if (arrival === Arrival.duplicate || arrival === Arrival.jump) return;
    const { extended } = this.tracker;
    if (arrival === Arrival.restart) {
      this.#held.clear();
      this.#next = extended;
      this.#events.onLost();
    } else if (Number.isNaN(this.#next)) this.#next = extended;
    if (extended < this.#next) return;
    if (extended === this.#next) {
      this.#deliver(packet, now);
      return;
    }
    const first = this.#held.size === 0;
    this.#held.set(extended, packet);
    if (first) this.#since = now;
    if (arrival === Arrival.ahead) this.#ask(now);
    while (this.#held.size > MAX_HELD) this.#giveUp(now);
  }

  tick(now: number): void {
    while (this.waiting && now - this.#since >= PATIENCE_MS) this.#giveUp(now);
    if (this.waiting && now - this.#askedAt >= ASK_AGAIN_MS) this.#ask(now);
  }

  #deliver(packet: Buffer, now: number): void {
    this.#next++;
    this.#events.onPacket(packet);
    for (;;) {
      const held = this.#held.get(this.#next);
      if (held === undefined) break;
      this.#held.delete(this.#next);
      this.#next++;
      this.#events.onPacket(held);
    }
    this.#since = now;
  }

  /** Goes on with the packet after the gap. */
  #giveUp(now: number): void {
    while (!this.#held.has(this.#next)) this.#next++;
    const packet = this.#held.get(this.#next)!;
    this.#held.delete(this.#next);
    this.#events.onLost();
    this.#deliver(packet, now);
  }

  #ask(now: number): void {
    this.#askedAt = now;
    const sequences: number[] = [];
    for (let at = this.#next; at <= this.tracker.highest && sequences.length < MAX_ASKED; at++) {
      if (!this.#held.has(at)) sequences.push(at & 0xffff);
    }
    if (sequences.length > 0) this.#events.onMissing(sequences);
  }
}
