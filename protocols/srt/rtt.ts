/** Round trip time, smoothed (draft-sharabayko-srt-01 section 4.10). In ms. */

const MAX_MS = 60_000;

export class RoundTrip {
  /** 100 ms and 50 ms until it is known. */
  rtt = 100;
  variance = 50;
  known = false;

  /** From an acknowledgement to its acknowledgement. */
  sample(ms: number): void {
    const sample = Math.min(Math.max(ms, 0), MAX_MS);
    if (!this.known) {
      this.known = true;
      this.rtt = sample;
      this.variance = sample / 2;
      return;
    }
    this.variance += (Math.abs(sample - this.rtt) - this.variance) / 4;
    this.rtt += (sample - this.rtt) / 8;
  }

  /** What the peer says; a side that only sends knows no other. */
  told(rtt: number, variance: number): void {
    if (!this.known) {
      this.known = true;
      this.rtt = Math.min(rtt, MAX_MS);
      this.variance = Math.min(variance, MAX_MS);
      return;
    }
    this.rtt += (Math.min(rtt, MAX_MS) - this.rtt) / 8;
    this.variance += (Math.min(variance, MAX_MS) - this.variance) / 4;
  }

  /** How long an answer takes at the most. */
  get timeout(): number {
    return this.rtt + 4 * this.variance;
  }
}
