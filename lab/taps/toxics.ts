/**
 * The faults of Toxiproxy's vocabulary (its README, "Toxics"), as stages that the bytes of one direction of one
 * connection pass through. Two units differ: `bandwidth` is in bytes/s, not KB/s, and `slicer.delay` in ms, not µs.
 */
import type { Toxic } from '../cluster.ts';

/** What a stage hands its bytes, its end, and its faults to. */
export interface StageOutput {
  write(bytes: Buffer): void;
  end(): void;
  /** Ends this direction; when the end has passed what comes after, both sides are closed in an orderly way. */
  finish(): void;
  /** Closes both sides in an orderly way, whatever is held. */
  close(): void;
  /** Resets both sides. */
  reset(): void;
  /** A stage that was full has room again. */
  room(): void;
}

export interface Stage {
  /** The toxic that it is an instance of. */
  readonly toxic: Toxic;
  /** No more bytes should be read for it now. */
  readonly full: boolean;
  write(bytes: Buffer): void;
  end(): void;
  /** The toxic is taken away: what is held goes on at once. */
  lift(): void;
  /** The connection is gone: nothing goes on any more. */
  drop(): void;
}

/** Returns a number in [0, 1). */
export type Random = () => number;

/** Much more than a link of 1 s at 50 Mbit/s holds, and still bounded. */
const LATENCY_CAPACITY = 16 * 1024 * 1024;
/** Little, so that the sender feels the rate instead of filling a buffer. */
const PACED_CAPACITY = 64 * 1024;
/** The grain in which a limited rate is given out, in s. */
const BANDWIDTH_GRAIN = 0.02;
/** What of a limited rate is held at the least, in s: more than timers and reads are late, or the rate would be less than told. */
const BANDWIDTH_HELD = 0.1;

export function createStage(toxic: Toxic, output: StageOutput, random: Random): Stage {
  switch (toxic.type) {
    case 'latency':
      return new DelayStage(toxic, output, LATENCY_CAPACITY, {
        due: (now) => now + Math.max(0, toxic.latency + (toxic.jitter ?? 0) * (random() * 2 - 1)),
      });
    case 'bandwidth':
      return new DelayStage(toxic, output, Math.max(PACED_CAPACITY, toxic.rate * BANDWIDTH_HELD), {
        due: (now, previous, length) => Math.max(now, previous) + (length / toxic.rate) * 1000,
        piece: () => Math.max(1, Math.floor(toxic.rate * BANDWIDTH_GRAIN)),
      });
    case 'slicer':
      return new DelayStage(toxic, output, PACED_CAPACITY, {
        due: (now, previous) => Math.max(now, previous + toxic.delay),
        piece: () => Math.max(1, Math.round(toxic.averageSize + toxic.sizeVariation * (random() * 2 - 1))),
      });
    case 'slow_close':
      return new DelayStage(toxic, output, LATENCY_CAPACITY, {
        due: (now, _previous, length) => (length === 0 ? now + toxic.delay : now),
      });
    case 'timeout':
      return new TimeoutStage(toxic, output);
    case 'reset_peer':
      return new ResetStage(toxic, output);
    case 'limit_data':
      return new LimitStage(toxic, output);
  }
}

interface Schedule {
  /** When a piece goes on, in ms of `performance.now()`. `length` 0 is the end of the stream. */
  due(now: number, previous: number, length: number): number;
  /** The most bytes of the next piece; all when there is no such rule. */
  piece?(): number;
}

interface Held {
  readonly due: number;
  /** undefined: the end of the stream. */
  readonly bytes: Buffer | undefined;
}

/** Holds pieces back until each is due, in order: latency, bandwidth, slicer and slow_close are schedules of it. */
class DelayStage implements Stage {
  readonly toxic: Toxic;
  readonly #output: StageOutput;
  readonly #capacity: number;
  readonly #schedule: Schedule;
  #queue: Held[] = [];
  #head = 0;
  #heldBytes = 0;
  #lastDue = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(toxic: Toxic, output: StageOutput, capacity: number, schedule: Schedule) {
    this.toxic = toxic;
    this.#output = output;
    this.#capacity = capacity;
    this.#schedule = schedule;
  }

  get full(): boolean {
    return this.#heldBytes >= this.#capacity;
  }

  write(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const size = this.#schedule.piece?.() ?? bytes.length;
      const piece = bytes.subarray(at, at + size);
      this.#hold(piece);
      at += piece.length;
    }
    this.#pump();
  }

  end(): void {
    this.#hold(undefined);
    this.#pump();
  }

  lift(): void {
    clearTimeout(this.#timer);
    const held = this.#queue.slice(this.#head);
    this.drop();
    for (const item of held) this.#pass(item);
  }

  drop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#queue = [];
    this.#head = 0;
    this.#heldBytes = 0;
  }

  #hold(bytes: Buffer | undefined): void {
    const length = bytes?.length ?? 0;
    const due = this.#schedule.due(performance.now(), this.#lastDue, length);
    this.#lastDue = Math.max(due, this.#lastDue);
    this.#queue.push({ due: this.#lastDue, bytes });
    this.#heldBytes += length;
  }

  #pump(): void {
    if (this.#timer !== undefined) return;
    const wasFull = this.full;
    for (;;) {
      const next = this.#queue[this.#head];
      if (next === undefined) {
        this.#queue = [];
        this.#head = 0;
        break;
      }
      const wait = next.due - performance.now();
      if (wait > 0) {
        this.#timer = setTimeout(() => {
          this.#timer = undefined;
          this.#pump();
        }, Math.ceil(wait));
        break;
      }
      this.#head += 1;
      this.#heldBytes -= next.bytes?.length ?? 0;
      this.#pass(next);
    }
    if (wasFull && !this.full) this.#output.room();
  }

  #pass(item: Held): void {
    if (item.bytes === undefined) this.#output.end();
    else this.#output.write(item.bytes);
  }
}

/** Drops what comes. Taking it away closes the connection, because bytes are missing from it. */
class TimeoutStage implements Stage {
  readonly toxic: Toxic;
  readonly full = false;
  readonly #output: StageOutput;
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(toxic: Extract<Toxic, { type: 'timeout' }>, output: StageOutput) {
    this.toxic = toxic;
    this.#output = output;
    this.#timer = toxic.timeout > 0 ? setTimeout(() => output.close(), toxic.timeout) : undefined;
  }

  write(): void {}

  end(): void {}

  lift(): void {
    this.drop();
    this.#output.close();
  }

  drop(): void {
    clearTimeout(this.#timer);
  }
}

/** Passes everything, then resets both sides. */
class ResetStage implements Stage {
  readonly toxic: Toxic;
  readonly full = false;
  readonly #output: StageOutput;
  readonly #timer: NodeJS.Timeout;

  constructor(toxic: Extract<Toxic, { type: 'reset_peer' }>, output: StageOutput) {
    this.toxic = toxic;
    this.#output = output;
    this.#timer = setTimeout(() => output.reset(), toxic.timeout);
  }

  write(bytes: Buffer): void {
    this.#output.write(bytes);
  }

  end(): void {
    this.#output.end();
  }

  lift(): void {
    this.drop();
  }

  drop(): void {
    clearTimeout(this.#timer);
  }
}

/** Closes the connection once so many bytes have passed. */
class LimitStage implements Stage {
  readonly toxic: Toxic;
  readonly full = false;
  readonly #output: StageOutput;
  #left: number;
  #isOver = false;

  constructor(toxic: Extract<Toxic, { type: 'limit_data' }>, output: StageOutput) {
    this.toxic = toxic;
    this.#output = output;
    this.#left = toxic.bytes;
  }

  write(bytes: Buffer): void {
    if (this.#isOver) return;
    const passed = bytes.subarray(0, this.#left);
    this.#left -= passed.length;
    this.#isOver = this.#left === 0;
    if (passed.length > 0) this.#output.write(passed);
    if (this.#isOver) this.#output.finish();
  }

  end(): void {
    if (!this.#isOver) this.#output.end();
  }

  lift(): void {}

  drop(): void {}
}
