/** Latencies of many clients in one HDR histogram: microseconds, three significant digits, mergeable. */
import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram as HdrHistogram,
} from 'hdr-histogram-js';

/** Above one hour a latency says no more than that. */
const HIGHEST_US = 3_600_000_000;

/** Milliseconds; null where there is no sample. The shape of `Distribution` in reports/results.ts. */
export interface DistributionFigures {
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p99: number | null;
  readonly p999: number | null;
  readonly max: number | null;
  readonly count: number;
  readonly hdr?: string;
}

export class LatencyHistogram {
  #hdr: HdrHistogram;

  constructor() {
    this.#hdr = build({
      bitBucketSize: 32,
      lowestDiscernibleValue: 1,
      highestTrackableValue: HIGHEST_US,
      numberOfSignificantValueDigits: 3,
    });
  }

  /** Negative values count as 0, values above one hour as one hour. */
  record(milliseconds: number): void {
    const us = Math.round(milliseconds * 1000);
    this.#hdr.recordValue(Math.min(Math.max(us, 0), HIGHEST_US));
  }

  get count(): number {
    return this.#hdr.totalCount;
  }

  /** In milliseconds; null when nothing was recorded. */
  percentile(percent: number): number | null {
    return this.#hdr.totalCount === 0 ? null : this.#hdr.getValueAtPercentile(percent) / 1000;
  }

  merge(other: LatencyHistogram): void {
    if (other.count > 0) this.#hdr.add(other.#hdr);
  }

  reset(): void {
    this.#hdr.reset();
  }

  /** HDR histogram V2, compressed, base64: what Java's, Rust's and Go's HdrHistogram read. */
  encode(): string {
    return encodeIntoCompressedBase64(this.#hdr);
  }

  /** Adds what `encode` gave. Throws when it is not a histogram. */
  mergeEncoded(encoded: string): void {
    const other = decodeFromCompressedBase64(encoded, 32);
    if (other.totalCount > 0) this.#hdr.add(other);
  }

  toDistribution(): DistributionFigures {
    const count = this.#hdr.totalCount;
    if (count === 0) return { p50: null, p90: null, p99: null, p999: null, max: null, count };
    return {
      p50: this.percentile(50),
      p90: this.percentile(90),
      p99: this.percentile(99),
      p999: this.percentile(99.9),
      // Not the exact one: what comes back from a file or a worker has no more than its bucket.
      max: this.percentile(100),
      count,
      hdr: this.encode(),
    };
  }
}
