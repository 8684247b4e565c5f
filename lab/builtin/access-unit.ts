/** An access unit, put together from the pieces that transport or RTP packets carry. */

const START_CAPACITY = 16 * 1024;

export class AccessUnit {
  /** 90 kHz, as sent; NaN when the PES packet had none. */
  pts = Number.NaN;
  dts = Number.NaN;
  /** Packets of it were lost. */
  damaged = false;
  #buffer = new Uint8Array(START_CAPACITY);
  #size = 0;

  begin(pts: number, dts: number): void {
    this.pts = pts;
    this.dts = dts;
    this.damaged = false;
    this.#size = 0;
  }

  add(bytes: Uint8Array, start: number, end: number): void {
    const size = this.#size + end - start;
    if (size > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(size, 2 * this.#buffer.length));
      larger.set(this.#buffer.subarray(0, this.#size));
      this.#buffer = larger;
    }
    this.#buffer.set(bytes.subarray(start, end), this.#size);
    this.#size = size;
  }

  /** Overwritten by the next one. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#size);
  }
}
