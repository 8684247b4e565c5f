/** What comes every so many ms for as long as a run lasts: `setInterval` is some 0.9 ms later each time than the time before. */

export interface BeatClock {
  /** Monotonic, in ms. */
  now(): number;
  /** @returns what calls it off. */
  wait(run: () => void, ms: number): () => void;
}

const CLOCK: BeatClock = {
  now: () => performance.now(),
  wait(run, ms) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

export interface BeatOptions {
  readonly everyMs: number;
  /** Each beat comes this much after its time. Default 0. */
  readonly graceMs?: number;
  readonly clock?: BeatClock;
}

/** From when it is made, beat n comes after n periods, from 1 on, however late others were. */
export class Beat {
  readonly #onBeat: (beat: number) => void;
  readonly #everyMs: number;
  readonly #clock: BeatClock;
  /** When beat 0 would come. */
  readonly #zero: number;
  #next = 1;
  #callOff: () => void;

  /** @param onBeat is not told of beats whose time passed while the process was held up: the last of them alone comes late. */
  constructor(onBeat: (beat: number) => void, { everyMs, graceMs = 0, clock = CLOCK }: BeatOptions) {
    this.#onBeat = onBeat;
    this.#everyMs = everyMs;
    this.#clock = clock;
    this.#zero = clock.now() + graceMs;
    this.#callOff = this.#arm();
  }

  stop(): void {
    this.#callOff();
  }

  #arm(): () => void {
    const due = this.#zero + this.#next * this.#everyMs;
    return this.#clock.wait(() => this.#beat(), Math.max(0, due - this.#clock.now()));
  }

  #beat(): void {
    const passed = Math.floor((this.#clock.now() - this.#zero) / this.#everyMs);
    // A timer may be a fraction of a millisecond early.
    const beat = Math.max(this.#next, passed);
    this.#next = beat + 1;
    this.#callOff = this.#arm();
    this.#onBeat(beat);
  }
}
