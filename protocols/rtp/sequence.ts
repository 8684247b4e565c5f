/** What the sequence numbers and timestamps of one RTP source tell (RFC 3550 appendices A.1, A.3 and A.8). */

/** What became of a packet. */
export const Arrival = {
  /** The one that was due, or the first of all. */
  next: 0,
  /** Ahead of the one that was due: those between are missing, so far. */
  ahead: 1,
  /** One that was missing, retransmitted or reordered. */
  late: 2,
  /** It was here before; or too old to say. */
  duplicate: 3,
  /** A jump that one packet does not prove: it is not counted, and the next of its sequence restarts. */
  jump: 4,
  /** The source has jumped: what was known of it is forgotten. */
  restart: 5,
} as const;
export type Arrival = (typeof Arrival)[keyof typeof Arrival];

/** MAX_DROPOUT and MAX_MISORDER of A.1; the latter as long as our memory of what came. */
const MAX_DROPOUT = 3000;
const HISTORY = 1024;

const NONE = -1;

// Plain fields: every packet of every player passes here.
export class SequenceTracker {
  /** Extended: cycles times 65536 and the sequence number. That of the packet pushed last. */
  extended = 0;
  /** Extended; the highest of all. -1 before the first packet. */
  highest: number = NONE;
  /** Different packets. */
  received = 0;
  duplicates = 0;
  /** Came after one with a higher number: reordered or retransmitted. */
  late = 0;
  restarts = 0;
  /** Interarrival jitter in units of the clock (section 6.4.1). */
  jitter = 0;
  private first = 0;
  /** Extended numbers modulo HISTORY: a bit for each that came. */
  private readonly seen = new Uint32Array(HISTORY / 32);
  private suspect = NONE;
  private transit = Number.NaN;
  private lastTimestamp = 0;
  private readonly clockRate: number;
  private expectedPrior = 0;
  private receivedPrior = 0;

  /** @param clockRate of the payload type, in Hz. */
  constructor(clockRate: number) {
    this.clockRate = clockRate;
  }

  get started(): boolean {
    return this.highest !== NONE;
  }

  get expected(): number {
    return this.started ? this.highest - this.first + 1 : 0;
  }

  /** Numbers that never came, so far. */
  get lost(): number {
    return this.expected - this.received;
  }

  /** @param now in ms, of any clock that goes evenly. */
  push(sequence: number, timestamp: number, now: number): Arrival {
    if (!this.started) {
      this.begin(sequence);
      this.measure(timestamp, now);
      return Arrival.next;
    }
    const step = ((sequence - this.highest) << 16) >> 16;
    if (step > 0 && step < MAX_DROPOUT) {
      this.forget(step);
      this.highest += step;
      this.extended = this.highest;
      this.mark(this.highest);
      this.suspect = NONE;
      this.received++;
      this.measure(timestamp, now);
      return step === 1 ? Arrival.next : Arrival.ahead;
    }
    if (step <= 0 && step > -HISTORY) return this.behind(this.highest + step);
    return this.jumped(sequence, timestamp, now);
  }

  /** For a report block; begins a new interval. In 1/256. */
  takeFractionLost(): number {
    const expected = this.expected - this.expectedPrior;
    const lost = expected - (this.received - this.receivedPrior);
    this.expectedPrior = this.expected;
    this.receivedPrior = this.received;
    return expected <= 0 || lost <= 0 ? 0 : Math.min(255, Math.floor((lost * 256) / expected));
  }

  private begin(sequence: number): void {
    this.first = sequence;
    this.highest = sequence;
    this.extended = sequence;
    this.seen.fill(0);
    this.mark(sequence);
    this.suspect = NONE;
    this.received++;
    this.transit = Number.NaN;
  }

  private behind(extended: number): Arrival {
    this.suspect = NONE;
    this.extended = extended;
    if (extended < this.first || this.isMarked(extended)) {
      this.duplicates++;
      return Arrival.duplicate;
    }
    this.mark(extended);
    this.received++;
    this.late++;
    return Arrival.late;
  }

  private jumped(sequence: number, timestamp: number, now: number): Arrival {
    if (sequence !== this.suspect) {
      this.suspect = (sequence + 1) & 0xffff;
      return Arrival.jump;
    }
    this.restarts++;
    this.received = 0;
    this.expectedPrior = 0;
    this.receivedPrior = 0;
    this.begin(sequence);
    this.measure(timestamp, now);
    return Arrival.restart;
  }

  /** The places of the next `step` numbers, which held much older ones. */
  private forget(step: number): void {
    if (step >= HISTORY) {
      this.seen.fill(0);
      return;
    }
    for (let at = this.highest + 1; at <= this.highest + step; at++) {
      this.seen[(at & (HISTORY - 1)) >> 5]! &= ~(1 << (at & 31));
    }
  }

  private mark(extended: number): void {
    this.seen[(extended & (HISTORY - 1)) >> 5]! |= 1 << (extended & 31);
  }

  private isMarked(extended: number): boolean {
    return ((this.seen[(extended & (HISTORY - 1)) >> 5]! >> (extended & 31)) & 1) === 1;
  }

  /** A.8. Packets of one frame share a timestamp: only the first of them says when the frame was sent. */
  private measure(timestamp: number, now: number): void {
    const arrival = (now * this.clockRate) / 1000;
    if (Number.isNaN(this.transit)) {
      this.transit = arrival;
      this.lastTimestamp = timestamp;
      return;
    }
    const sent = (timestamp - this.lastTimestamp) | 0;
    if (sent === 0) return;
    const difference = arrival - this.transit - sent;
    this.transit = arrival;
    this.lastTimestamp = timestamp;
    this.jitter += (Math.abs(difference) - this.jitter) / 16;
  }
}
