/** What a UDP link does to datagrams, each by itself: loss, duplication, delay, jitter, reordering, rate, cut. */

/** All of one direction. What is left out does nothing. */
export interface UdpFaults {
  /** Share of datagrams that are lost, from 0 to 1, by the seeded random numbers. */
  readonly loss?: number;
  /** Each Nth datagram is lost. */
  readonly lossEvery?: number;
  /** Which datagrams are lost by what they are; asked once for each, in the order in which they come. */
  readonly lose?: (datagram: Uint8Array) => boolean;
  /** Share of datagrams that are sent twice. */
  readonly duplicate?: number;
  /** In ms. */
  readonly delay?: number;
  /** In ms: each datagram is delayed by up to so much more or less, evenly. Those that overtake are let by. */
  readonly jitter?: number;
  /** Share of datagrams that are held back until `reorderBy` others have gone by. */
  readonly reorder?: number;
  /** Default 3. */
  readonly reorderBy?: number;
  /** In bytes per second; what is more than `queueBytes` behind is lost. */
  readonly rate?: number;
  /** Default 65 536. */
  readonly queueBytes?: number;
  /** Only datagrams for which this holds are spoiled; others pass. */
  readonly only?: (datagram: Uint8Array) => boolean;
}

/** Counted per direction. */
export interface UdpCounts {
  /** Datagrams and bytes that came. */
  packets: number;
  bytes: number;
  /** Datagrams lost by `loss`, `lossEvery` and `lose`. */
  lost: number;
  /** Lost as the queue of `rate` was full. */
  overflowed: number;
  /** Lost by a cut. */
  cut: number;
  duplicated: number;
  reordered: number;
  /** Datagrams and bytes that went on, copies counted. */
  forwarded: number;
  forwardedBytes: number;
}

export function noCounts(): UdpCounts {
  return {
    packets: 0,
    bytes: 0,
    lost: 0,
    overflowed: 0,
    cut: 0,
    duplicated: 0,
    reordered: 0,
    forwarded: 0,
    forwardedBytes: 0,
  };
}

/** Numbers in [0, 1) that are the same for the same seed (mulberry32, by Tommy Ettinger, public domain). */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Held {
  due: number;
  /** When the limited link has sent it; what is later is delay and jitter. */
  departs: number;
  readonly order: number;
  readonly send: () => void;
}

/** One direction of all conversations through a tap. */
export class UdpLane {
  readonly counts = noCounts();
  #faults: UdpFaults = {};
  isCut = false;
  readonly #random: () => number;
  /** Those that wait for their time, soonest first. */
  readonly #held: Held[] = [];
  readonly #behind: { left: number; send: () => void }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #order = 0;
  /** When the limited link has sent all that it was given. */
  #idleAt = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  get faults(): UdpFaults {
    return this.#faults;
  }

  /** What the limited link has not sent yet goes at the new rate. */
  set faults(faults) {
    const { rate: before = Number.POSITIVE_INFINITY } = this.#faults;
    const { rate = Number.POSITIVE_INFINITY } = faults;
    this.#faults = faults;
    if (rate !== before) this.#pace(before / rate);
  }

  /** Hands the datagram on by `send`, when and as often as the faults let it. */
  push(datagram: Uint8Array, send: (datagram: Uint8Array) => void): void {
    const { counts, faults } = this;
    counts.packets++;
    counts.bytes += datagram.length;
    if (this.isCut) {
      counts.cut++;
      return;
    }
    const forward = (): void => {
      counts.forwarded++;
      counts.forwardedBytes += datagram.length;
      send(datagram);
    };
    if (faults.only?.(datagram) === false) {
      forward();
      return;
    }
    if (this.#isLost(datagram)) {
      counts.lost++;
      return;
    }
    const now = performance.now();
    const copies = this.#happens(faults.duplicate) ? 2 : 1;
    if (copies === 2) counts.duplicated++;
    for (let copy = 0; copy < copies; copy++) {
      const departs = this.#departure(datagram.length, now);
      if (departs === undefined) {
        counts.overflowed++;
        continue;
      }
      const { delay = 0, jitter = 0 } = faults;
      const due = departs + Math.max(0, delay + (jitter > 0 ? jitter * (this.#random() * 2 - 1) : 0));
      if (this.#happens(faults.reorder)) {
        counts.reordered++;
        this.#behind.push({ left: faults.reorderBy ?? 3, send: forward });
      } else {
        this.#goAt(due, departs, now, forward);
      }
    }
  }

  /** What waits is lost. */
  drop(): void {
    clearTimeout(this.#timer);
    this.counts.cut += this.#held.length + this.#behind.length;
    this.#held.length = 0;
    this.#behind.length = 0;
    this.#idleAt = 0;
  }

  #spoiled = 0;

  #isLost(datagram: Uint8Array): boolean {
    const { loss, lossEvery, lose } = this.faults;
    this.#spoiled++;
    const inTurn = lossEvery !== undefined && this.#spoiled % lossEvery === 0;
    return inTurn || lose?.(datagram) === true || this.#happens(loss);
  }

  /** A number is only drawn for what is asked for: the same seed gives the same losses. */
  #happens(share: number | undefined): boolean {
    return share !== undefined && share > 0 && this.#random() < share;
  }

  /** When the limited link has sent it; undefined when its queue is full. */
  #departure(size: number, now: number): number | undefined {
    const { rate, queueBytes = 65_536 } = this.faults;
    if (rate === undefined) return now;
    const from = Math.max(now, this.#idleAt);
    if (((from - now) / 1000) * rate > queueBytes) return undefined;
    this.#idleAt = from + (size / rate) * 1000;
    return this.#idleAt;
  }

  /** @param factor by which what is to come takes longer. */
  #pace(factor: number): void {
    const now = performance.now();
    if (this.#idleAt <= now) return;
    this.#idleAt = now + (this.#idleAt - now) * factor;
    for (const held of this.#held) {
      if (held.departs <= now) continue;
      const departs = now + (held.departs - now) * factor;
      held.due += departs - held.departs;
      held.departs = departs;
    }
    this.#held.sort((a, b) => a.due - b.due);
    this.#sleep();
  }

  #goAt(due: number, departs: number, now: number, forward: () => void): void {
    if (due <= now && this.#held.length === 0) {
      this.#go(forward);
      return;
    }
    const held = { due, departs, order: this.#order++, send: forward };
    let at = this.#held.length;
    while (at > 0 && this.#held[at - 1]!.due > due) at--;
    this.#held.splice(at, 0, held);
    if (at === 0) this.#sleep();
  }

  #sleep(): void {
    clearTimeout(this.#timer);
    const first = this.#held[0];
    if (first === undefined) return;
    this.#timer = setTimeout(
      () => {
        const now = performance.now();
        while (this.#held.length > 0 && this.#held[0]!.due <= now) this.#go(this.#held.shift()!.send);
        this.#sleep();
      },
      Math.max(0, first.due - performance.now()),
    );
  }

  #go(forward: () => void): void {
    forward();
    for (const waiting of this.#behind) waiting.left--;
    while (this.#behind.length > 0 && this.#behind[0]!.left <= 0) this.#behind.shift()!.send();
  }
}
